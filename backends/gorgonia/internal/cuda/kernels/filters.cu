// Filters are [O, C, k, k] of float where the network keeps them, and [O, k, k, C] of image where a convolution takes them.
#include "prelude.cuh"

struct arrange_filter_arguments {
	const float *x;
	image *out;
	size n; // elements
	int channels, area;
};

KERNEL(arrange_filter, arrange_filter_arguments) {
	for (size i = first(); i < a.n; i += stride()) {
		int channel = (int)(i % a.channels), tap = (int)(i / a.channels % a.area);
		size filter = i / a.channels / a.area;
		store(a.out, i, a.x[(filter * a.channels + channel) * a.area + tap]);
	}
}

struct flatten_filter_arguments {
	const image *x;
	float *out;
	size n; // elements
	int channels, area;
};

KERNEL(flatten_filter, flatten_filter_arguments) {
	for (size i = first(); i < a.n; i += stride()) {
		int tap = (int)(i % a.area), channel = (int)(i / a.area % a.channels);
		size filter = i / a.area / a.channels;
		a.out[i] = load(a.x, (filter * a.area + tap) * a.channels + channel);
	}
}

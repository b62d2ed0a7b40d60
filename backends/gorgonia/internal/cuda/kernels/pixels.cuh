// Images as a matrix, whose rows are the pixels of all images and whose columns are channels.
//
// The grid: blockIdx.y is a tile of channels, blockIdx.x a slab of rows. Neighbouring threads have neighbouring vectors of W channels of
// a row, and then those of the next row, so that a warp reads whole lines; a thread keeps its channels and goes down the slab.

// WIDE is the number of elements in 16 bytes, the most that a thread reads at once.
#define WIDE ((int)(16 / sizeof(image)))

// BY_WIDTH calls body<W>(a): by vectors where they fill all rows, else by single elements.
#define BY_WIDTH(body)                \
	if (a.m.channels % WIDE == 0) \
		body<WIDE>(a);        \
	else                          \
		body<1>(a)

struct matrix { int rows, slab, channels, tile; };

// A lane is what a thread has to do: channels [channel, channel + W) of rows from, from + step, ... below to.
struct lane {
	int start, count; // first channel of the tile, vectors in its rows
	int index, channel;
	int from, to, step;
};

template <int W> __device__ inline lane lane_of(matrix m) {
	lane l;
	l.start = blockIdx.y * m.tile;
	l.count = m.tile / W;
	l.step = THREADS / l.count;
	l.index = threadIdx.x % l.count;
	l.channel = l.start + l.index * W;
	int row = threadIdx.x / l.count;
	l.from = blockIdx.x * m.slab + row;
	l.to = m.rows - m.slab > (int)blockIdx.x * m.slab ? (blockIdx.x + 1) * m.slab : m.rows;
	if (row >= l.step || l.channel >= m.channels) l.to = l.from;
	return l;
}

struct alignas(16) words { unsigned w[4]; };

// pack makes two image elements of bfloat16 of floats.
__device__ inline unsigned pack(float low, float high) {
#ifdef EMULATED
	image both[2];
	store(both, 0, low);
	store(both, 1, high);
	return (unsigned)both[0] | (unsigned)both[1] << 16;
#else
	unsigned both;
	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
	return both;
#endif
}

// read and write move W elements, 1 or WIDE.
template <int W> __device__ inline void read(const image *p, float (&v)[W]) {
	if constexpr (W == 1) {
		v[0] = load(p, 0);
	} else {
		words u = *(const words *)p;
#pragma unroll
		for (int i = 0; i < 4; i++) {
#if IMAGE_BF16
			v[2 * i] = __uint_as_float(u.w[i] << 16);
			v[2 * i + 1] = __uint_as_float(u.w[i] & 0xffff0000);
#else
			v[i] = __uint_as_float(u.w[i]);
#endif
		}
	}
}

template <int W> __device__ inline void write(image *p, const float (&v)[W]) {
	if constexpr (W == 1) {
		store(p, 0, v[0]);
	} else {
		words u;
#pragma unroll
		for (int i = 0; i < 4; i++) {
#if IMAGE_BF16
			u.w[i] = pack(v[2 * i], v[2 * i + 1]);
#else
			u.w[i] = __float_as_uint(v[i]);
#endif
		}
		*(words *)p = u;
	}
}

// floats_of reads W numbers of channels, which are aligned as the channels are.
template <int W> __device__ inline void floats_of(const float *p, float (&v)[W]) {
	if constexpr (W == 1) {
		v[0] = *p;
	} else {
#pragma unroll
		for (int i = 0; i < W / 4; i++) {
			words u = ((const words *)p)[i];
#pragma unroll
			for (int k = 0; k < 4; k++) v[4 * i + k] = __uint_as_float(u.w[k]);
		}
	}
}

// column_sums adds up S numbers for each channel over the threads of a block, times a factor, into out [S, channels]. All threads call
// it, those without a row with zeros.
template <int W, int S> __device__ inline void column_sums(const lane &l, int channels, const float (&v)[S][W], float factor, float *out) {
	SHARED float shared[S * W * THREADS];
#pragma unroll
	for (int s = 0; s < S; s++)
#pragma unroll
		for (int k = 0; k < W; k++) shared[(s * W + k) * THREADS + threadIdx.x] = v[s][k];
	__syncthreads();
	for (int o = threadIdx.x; o < S * W * l.count; o += THREADS) {
		int which = o / l.count, index = o % l.count; // neighbours read neighbouring words
		int channel = l.start + index * W + which % W;
		if (channel >= channels) continue;
		float sum = 0;
#pragma unroll 4
		for (int row = 0; row < l.step; row++) sum += shared[which * THREADS + row * l.count + index];
		out[(size)(which / W) * channels + channel] = sum * factor;
	}
}

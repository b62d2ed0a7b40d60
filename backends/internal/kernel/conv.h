// Convolutions: which way of computing suits a shape.

// suits_winograd says whether tiles of 4x4 fit well enough that fewer products outweigh the rest of the work.
TARGET static int suits_winograd(const struct conv *s) {
	if (s->k != 3 || s->stride != 1 || s->pad > 2 || s->oh < 3 || s->ow < 3) return 0;
	struct tiling t = tiles_of(1, s->h, s->w, s->pad);
	return t.count * TILE * TILE <= 2 * s->oh * s->ow;
}

TARGET static int conv(const struct conv *s, const float *x, const float *w, float *y, const struct team *t) {
	if (suits_winograd(s)) return winograd(tiles_of(s->n, s->h, s->w, s->pad), (struct filters){w, s->o, s->c, 0}, x, y, t);
	return direct_conv(s, x, w, y, t);
}

TARGET static int conv_grad_input(const struct conv *s, const float *dy, const float *w, float *dx, const struct team *t) {
	if (suits_winograd(s)) return winograd(tiles_of(s->n, s->oh, s->ow, 2 - s->pad), (struct filters){w, s->o, s->c, 1}, dy, dx, t);
	return direct_grad_input(s, dy, w, dx, t);
}

TARGET static int conv_grad_filter(const struct conv *s, const float *x, const float *dy, float *dw, const struct team *t) {
	if (suits_winograd(s)) return winograd_grad_filter(tiles_of(s->n, s->h, s->w, s->pad), s->o, s->c, x, dy, dw, t);
	return direct_grad_filter(s, x, dy, dw, t);
}

// colour.go in C.

TARGET static inline uint8_t grey(int r, int g, int b) { return (2989 * r + 5870 * g + 1140 * b) / 10000; }

TARGET static void grayscale(uint8_t *pix, size_t pixels) {
	for (size_t i = 0; i < pixels; i++) {
		uint8_t v = grey(pix[3 * i], pix[3 * i + 1], pix[3 * i + 2]);
		pix[3 * i] = pix[3 * i + 1] = pix[3 * i + 2] = v;
	}
}

// The row work of NT-Xent, in double precision: it is little beside the products around it, and a softmax that is nearly 1
// leaves few digits to its gradient.

// As many doubles as a register holds.
enum { DOUBLES = WIDTH / 2 };

typedef double dvec __attribute__((vector_size(8 * DOUBLES), aligned(8 * DOUBLES), may_alias));
typedef int64_t dmask __attribute__((vector_size(8 * DOUBLES)));

INLINE dvec dpick(dmask m, dvec a, dvec b) { return (dvec)(((dmask)a & m) | ((dmask)b & ~m)); }

// power is 2^v for v <= 0, to a relative error of 1e-9; below 2^-1022 it stays there. NaN stays NaN.
INLINE dvec power(dvec v) {
	const double shift = 0x1.8p52; // added to a number, it rounds it to an integer that then lies in its last bits
	const dvec zero = {}, least = zero - 1022;
	v = dpick(v < least, least, v);
	dvec shifted = v + shift, y = (v - (shifted - shift)) * 0x1.62e42fefa39efp-1;
	// The series of e^y, where |y| is at most log(2)/2.
	dvec e = zero + 1. / 40320;
	e = e * y + 1. / 5040;
	e = e * y + 1. / 720;
	e = e * y + 1. / 120;
	e = e * y + 1. / 24;
	e = e * y + 1. / 6;
	e = e * y + 1. / 2;
	e = e * y + 1.;
	e = e * y + 1.;
	return e * (dvec)(((dmask)shifted + 1023) << 52);
}

struct contrast {
	size_t n, line; // line is n, rounded up to whole registers
	double temperature;
	const float *s;
	float *losses, *weights;
	atomic_int failed;
};

// A task takes rows of about STRETCH numbers together.
INLINE size_t contrast_rows(size_t n) { return n < STRETCH ? STRETCH / n : 1; }

// contrast_row takes row i; z has room for a line.
INLINE void contrast_row(const struct contrast *g, size_t i, double *z) {
	size_t n = g->n, match = i ^ 1;
	const float *s = g->s + i * n;
	const dvec zero = {};
	for (size_t j = 0; j < n; j++) z[j] = s[j];
	for (size_t j = n; j < g->line; j++) z[j] = -INFINITY;
	z[i] = -INFINITY;

	dvec most = zero - (double)INFINITY;
	for (size_t j = 0; j < g->line; j += DOUBLES) {
		dvec v = *(const dvec *)(z + j);
		most = dpick(v > most, v, most);
	}
	double max = most[0];
	for (size_t l = 1; l < DOUBLES; l++) max = most[l] > max ? most[l] : max;

	double toward = (z[match] - max) / g->temperature, scale = 0x1.71547652b82fep0 / g->temperature; // log2(e)
	dvec sums[2] = {};
	for (size_t j = 0; j < g->line; j += 2 * DOUBLES)
		for (size_t p = 0; p < 2; p++) {
			dvec *v = (dvec *)(z + j + p * DOUBLES);
			*v = power((*v - max) * scale);
			sums[p] += *v;
		}
	sums[0] += sums[1];
	double sum = sums[0][0];
	for (size_t l = 1; l < DOUBLES; l++) sum += sums[0][l];
	g->losses[i] = (float)(log(sum) - toward);

	if (!g->weights) return;
	float *w = g->weights + i * n;
	double factor = 1 / (sum * g->temperature * (double)n);
	z[i] = 0;
	z[match] -= sum;
	for (size_t j = 0; j < n; j++) w[j] = (float)(z[j] * factor);
}

TARGET static void ntxent_task(void *job, size_t task) {
	struct contrast *g = job;
	size_t rows = contrast_rows(g->n), end = (task + 1) * rows < g->n ? (task + 1) * rows : g->n;
	double *z = (double *)goclr_take(g->line * sizeof *z / sizeof(float));
	if (!z) {
		g->failed = 1;
		return;
	}
	for (size_t i = task * rows; i < end; i++) contrast_row(g, i, z);
	goclr_give((float *)z);
}

TARGET static int ntxent_rows(size_t n, const float *s, double temperature, float *losses, float *weights, const struct team *t) {
	struct contrast g = {.n = n, .line = (n + LANES - 1) / LANES * LANES, .temperature = temperature, .s = s, .losses = losses, .weights = weights};
	if (n == 0) return 0;
	t->run(t, ntxent_task, &g, (n + contrast_rows(n) - 1) / contrast_rows(n));
	return g.failed ? -1 : 0;
}

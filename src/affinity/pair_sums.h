/* affinity/pair_sums.h: the inner loops of the symmetric entropic affinity: one row against many,
 *     l = (m_i + m_j - 2 c) / (e_i + e_j),   S = exp l,   w = S / (e_i + e_j).
 * What is small is added up in float and costs a nanosecond; the few pairs that carry the row are done in double. */
#ifndef NE_AFFINITY_PAIR_SUMS_H
#define NE_AFFINITY_PAIR_SUMS_H

#include <stddef.h>
#include <stdint.h>

/* A row and the numbers of all, in double and rounded to float; the pair at self, if that is below n, is left out. */
typedef struct pair_row {
    size_t        n, self;
    const float  *c;
    double        m, e;
    const double *ms, *es;
    const float  *low_m, *low_e;
} pair_row;

enum {
    PAIR_LEVELS = 5
};
extern const double pair_level[PAIR_LEVELS]; /* ascending */

typedef struct pair_sums {
    double  s, sl, w, wl, wll;  /* sum S, S l, w, w l, w l^2 */
    int32_t above[PAIR_LEVELS]; /* how many S are above each level, as far as that is above near */
    float   self;               /* the row's distance to itself */
} pair_sums;

/* Pairs with S above near are summed in double. */
void pair_sums_of(const pair_row *row, double near, pair_sums *sums);
/* The first `most` pairs with S above least: their columns, w and l. What is left of most is filled with w = 0. */
void pair_list_of(const pair_row *row, double least, size_t most, int32_t *col, float *w, float *l);
/* sum[0] += sum w u, sum[1] += sum w l u,  u = (b_i + b_j) - l (a_i + a_j); own is (m, e, b, a) of the row. Float inside
 * tiles of 512, double between them. */
void pair_products_add(size_t count, const float *c, const float own[4], const float *m, const float *e, const float *b,
                       const float *a, double sum[2]);
/* values[j] = scale S; dual holds e_j, m_j. */
void pair_values(size_t count, const float *c, double m, double e, const double *dual, double scale, float *values);

#endif

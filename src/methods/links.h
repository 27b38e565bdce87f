/* methods/links.h: pairs of rows that a method draws, kept so that both ends find them, and the draws themselves.
 *
 * Each row names a few partners, and a pair acts on both of its ends. So each row has one list: the rows that it named, then
 * the rows that named it, ascending. A gradient is then a gather: a row is written by one thread, in one order of sums,
 * and the bits do not depend on the threads. Twice the arithmetic of a scatter, and no scatter. */
#ifndef NE_METHODS_LINKS_H
#define NE_METHODS_LINKS_H

#include "base/random.h"
#include "ne.h"

typedef struct links {
    size_t   n;
    int64_t *start; /* n + 1 */
    int32_t *other; /* the rows that row i is linked to: start[i] .. start[i + 1] - 1 */
} links;

enum {
    NO_PARTNER = -1
};

/* partner is n x count, NO_PARTNER where a row has fewer; place[partner] is the row that is meant. What `to` held is freed
 * when nothing can fail any more. */
ne_status links_join(ne_context *context, size_t n, size_t count, const int32_t *partner, const int32_t *place,
                     links *to);
void      links_clear(ne_context *context, links *old);

/* The force of a link: phi(s) (z_i - z_j) with phi = scale / (shift + s)^2, times reach / sqrt(1 + s) if reach > 0. */
typedef struct link_force {
    float scale, shift, reach;
} link_force;

/* Sums of forces into rows [row0, row1) of f (n x c); added to what is there if `add`. */
void links_pull(const links *from, link_force force, size_t c, const float *z, size_t row0, size_t row1, int add,
                float *f);

/* Half the sum of energy(s) over the lists of rows [row0, row1): over all rows, each link counts once. */
double links_energy(const links *from, size_t c, const float *z, size_t row0, size_t row1,
                    double (*energy)(double s, double parameter), double parameter);

/* --- Draws without replacement, in the caller's numbers of rows, so that working order does not matter. */

/* Rows that may not be drawn: distinct and ascending. */
typedef struct excluded {
    size_t   count;
    int32_t *row;
} excluded;

static inline void excluded_add(excluded *e, int32_t row)
{
    size_t at = e->count;
    while (at > 0 && e->row[at - 1] > row) at--;
    if (at > 0 && e->row[at - 1] == row) return;
    for (size_t q = e->count; q > at; q--) e->row[q] = e->row[q - 1];
    e->row[at] = row;
    e->count++;
}

/* A row of n, uniform over those that are not excluded: the u-th of them. NO_PARTNER when none is left. */
static inline int32_t excluded_draw(const excluded *e, size_t n, const uint32_t word[4])
{
    int32_t drawn = NO_PARTNER;
    if (e->count < n) {
        const size_t u = (size_t)random_below(word[0], word[1], n - e->count);
        size_t       q = 0;
        while (q < e->count && (size_t)e->row[q] - q <= u) q++;
        drawn = (int32_t)(u + q);
    }
    return drawn;
}

/* What lists of count partners of each of n rows take, and more while they are joined; for estimates. */
double links_bytes(double n, double count);
double links_join_bytes(double n);

#endif

/* methods/circle_links.h: links of all rows to rows drawn at random, of many rows in two columns, whose forces are computed
 * without looking up a partner.
 *
 * Rows lie on a random circle, and slot s of every row is linked to the row that is rotation[s] places further on. So a row is
 * linked to the rows at rotation[s] and at n - rotation[s], and in the order of the circle all of them are read in a stream:
 * a third of the time that links.h takes for partners that lie anywhere. Where a row may not have the partner that the
 * circle gives it, it has another one, and two short lists of links take the one away and add the other. */
#ifndef NE_METHODS_CIRCLE_LINKS_H
#define NE_METHODS_CIRCLE_LINKS_H

#include "methods/links.h"

typedef struct circle_links {
    size_t    n, count, stride; /* count links of each row; 0: none are made */
    uint32_t *offset;           /* 2 count: the rotations, and then n less each */
    float    *z, *f;            /* two columns of `stride`: by place, z written out twice */
    links     struck, mended;
} circle_links;

/* Whether it pays: many rows in two columns, and few of them linked to each. */
int circle_links_pay(const ne_problem *problem, size_t count);
/* Draws the rotations; they are distinct. What the object held is lost to it: clear it first. */
ne_status circle_links_make(const ne_problem *problem, size_t count, circle_links *to);
void      circle_links_clear(ne_context *context, circle_links *old);

/* The caller's number of the row that the circle gives to a slot of a row. */
static inline int32_t circle_links_partner(const circle_links *on, const ne_problem *problem, size_t row, size_t slot)
{
    const size_t at = (size_t)problem->circle[row] + on->offset[slot];
    return (int32_t)problem->order[problem->circle_row[at < on->n ? at : at - on->n]];
}

/* partner, n x count, says which partners the rows have in truth, mostly those of the circle; see links_join(). */
ne_status circle_links_mend(const ne_problem *problem, const int32_t *partner, const int32_t *place, circle_links *on);

/* Forces of all links at z (force.reach is 0); then their sums for rows [row0, row1) into f. */
void circle_links_pull(const ne_problem *problem, link_force force, const float *z, circle_links *on);
void circle_links_read(const ne_problem *problem, link_force force, const circle_links *on, const float *z, size_t row0,
                       size_t row1, float *f);

double circle_links_bytes(double n, double count);

#endif

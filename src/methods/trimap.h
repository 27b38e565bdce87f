/* methods/trimap.h: TriMap's triplets, as springs. */
#ifndef NE_METHODS_TRIMAP_H
#define NE_METHODS_TRIMAP_H

#include "ne.h"

/* Springs of a row: [inliers][near ends of random triplets][outliers][far ends of random triplets]; the triplets in the
 * order of their far ends. A spring that is not there leads from its row to itself and has weight 0. */
typedef struct spring_end {
    int32_t  row;
    uint32_t spring;
} spring_end;

typedef struct trimap_state {
    size_t      inliers, outliers, random; /* of each row */
    size_t      near, triplets, springs;   /* of each row */
    int32_t    *other;                     /* n x springs: where they end, working rows */
    float      *weight;                    /* n x triplets */
    float      *stiffness;                 /* n x springs, of this step */
    float      *scratch;                   /* threads x triplets */
    int64_t    *start;                     /* n + 1: which springs of other rows end at each row */
    spring_end *end;
} trimap_state;

/* The other ends of all springs, by the row they are at: start and end. */
ne_status trimap_join(const ne_problem *problem, trimap_state *state);
/* What the state's arrays take, after the plan, and at most while triplets are drawn; for estimates. */
double trimap_bytes(const ne_problem *problem, const void *state, double *kept);

#endif

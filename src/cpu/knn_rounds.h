/* cpu/knn_rounds.h: which blocks of rows meet in which round, so that all pairs of blocks meet once and no block twice in a
 * round: a round-robin tournament, whose rounds run in parallel without locks. */
#ifndef NE_CPU_KNN_ROUNDS_H
#define NE_CPU_KNN_ROUNDS_H

#include <stddef.h>

static inline size_t knn_rounds(size_t blocks)
{
    return blocks + blocks % 2;
}

/* Round 0: every block meets itself. In rounds 1 .. seats - 1 (seats even) block p meets block q where p + q = round
 * modulo seats - 1, and the last seat meets the one that would meet itself. Returns q >= p, or `blocks` where p has
 * nobody to meet or is met from the other side. */
static inline size_t knn_opponent(size_t blocks, size_t round, size_t p)
{
    const size_t seats = knn_rounds(blocks), modulus = seats - 1;
    size_t       q;
    if (round == 0) return p;
    if (p == seats - 1) return blocks;
    q = (round + modulus - p % modulus) % modulus;
    if (q == p) q = seats - 1;
    return q < p || q >= blocks ? blocks : q;
}

#endif

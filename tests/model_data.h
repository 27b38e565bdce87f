/* tests/model_data.h: the rows of oracle/models.py, and what the tests of models without a loop share. Every step of the
 * recipe is exact or rounds in one way only, so both languages make the same bits. */
#ifndef NE_TESTS_MODEL_DATA_H
#define NE_TESTS_MODEL_DATA_H

#include "base/view.h"
#include "fault.h"
#include "ne.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define OK(call) ck_assert_msg((call) == NE_OK, "%s", ne_last_error())
/* The status, and a word that the error text has. */
#define FAILS(call, status, word)                                                                                      \
    do {                                                                                                               \
        ck_assert_int_eq((call), (status));                                                                            \
        ck_assert_msg(strstr(ne_last_error(), (word)) != NULL, "'%s' is not in: %s", (word), ne_last_error());         \
    } while (0)

static inline double model_draw(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (double)*state / 4294967296.0 - 0.5;
}

static inline void model_clouds(size_t n, size_t d, uint32_t seed, double *x)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++)
            x[i * d + j] = model_draw(&seed) * (8.0 / (1 + (double)j)) + (double)((i % 3) * (j % 2)) + 3.0;
}

static inline void model_tree(size_t n, size_t d, double noise, uint32_t seed, double *x)
{
    uint32_t other = seed + 1;
    double  *arm   = malloc(6 * d * sizeof *arm);
    ck_assert_ptr_nonnull(arm);
    for (size_t e = 0; e < 6 * d; e++) arm[e] = model_draw(&other) * 8;
    for (size_t i = 0; i < n; i++) {
        const double along = model_draw(&seed) + 0.5;
        for (size_t j = 0; j < d; j++) {
            const double step = noise * model_draw(&seed), at = arm[(i % 6) * d + j] * along;
            x[i * d + j] = at + step;
        }
    }
    free(arm);
}

static inline ne_embedding *model_new(ne_context *context, const char *name, int64_t components)
{
    ne_embedding *made = NULL;
    OK(ne_embedding_create(context, name, &made));
    OK(ne_embedding_set_int(made, "n_components", components));
    return made;
}

static inline void model_close(double got, double expected, double tolerance)
{
    ck_assert_msg(fabs(got - expected) <= tolerance, "%.12g, %.12g is expected", got, expected);
}

#endif

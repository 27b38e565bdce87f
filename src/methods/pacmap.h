/* methods/pacmap.h: PaCMAP's pairs and forces, which LocalMAP shares. */
#ifndef NE_METHODS_PACMAP_H
#define NE_METHODS_PACMAP_H

#include "methods/circle_links.h"
#include "methods/links.h"
#include "methods/rows.h"

typedef struct pacmap_params {
    int64_t n_neighbors, iter_per_phase, exclude_neighbors;
    double  mid_near_ratio, far_ratio;
} pacmap_params;

/* Partners are the caller's numbers of rows, NO_PARTNER where a row has fewer; their rows are in working order. */
typedef struct pacmap_state {
    size_t       near_count, mid_count, far_count; /* of each row, at most */
    double       near_weight, mid_weight, far_weight;
    double       reach; /* 0: PaCMAP's near force; else LocalMAP's, half of low_dist_thres */
    int32_t     *near_row, *mid_row, *far_row;
    int32_t     *place; /* the working row of a caller's row */
    links        near, mid, far;
    circle_links around; /* the far pairs, in place of `far`, if its count is not 0 */
    data_rows    rows;   /* while mid-near pairs are drawn */
} pacmap_state;

/* Of both methods. In the reference an exaggeration, if there is one, has no end. */
#define PACMAP_AT(field) offsetof(pacmap_params, field)
#define PACMAP_OPTIONS                                                                                                 \
    {.name   = "n_neighbors",                                                                                          \
     .type   = NE_OPT_INT,                                                                                             \
     .offset = PACMAP_AT(n_neighbors),                                                                                 \
     .preset = "10",                                                                                                   \
     .min    = 1,                                                                                                      \
     .max    = 1e6,                                                                                                    \
     .flags  = NE_OPT_NONE,                                                                                            \
     .help =                                                                                                           \
         "near pairs of each row, all other rows at most; none is 10, and 10 + 15 log10(n / 10000) above 10000 rows"}, \
        {.name   = "MN_ratio",                                                                                         \
         .type   = NE_OPT_REAL,                                                                                        \
         .offset = PACMAP_AT(mid_near_ratio),                                                                          \
         .preset = "0.5",                                                                                              \
         .min    = 0,                                                                                                  \
         .max    = 1e3,                                                                                                \
         .help   = "mid-near pairs per near pair"},                                                                      \
        {.name   = "FP_ratio",                                                                                         \
         .type   = NE_OPT_REAL,                                                                                        \
         .offset = PACMAP_AT(far_ratio),                                                                               \
         .preset = "2",                                                                                                \
         .min    = 0,                                                                                                  \
         .max    = 1e3,                                                                                                \
         .help   = "far pairs per near pair"},                                                                           \
        {.name   = "iter_per_phase",                                                                                   \
         .type   = NE_OPT_INT,                                                                                         \
         .offset = PACMAP_AT(iter_per_phase),                                                                          \
         .preset = "100",                                                                                              \
         .min    = 1,                                                                                                  \
         .max    = 1e9,                                                                                                \
         .unit   = "steps",                                                                                            \
         .help   = "length of the first and of the second phase; the third lasts until max_iter"},                       \
    {                                                                                                                  \
        .name = "exclude_neighbors_from_negative_sampling", .type = NE_OPT_BOOL,                                       \
        .offset = PACMAP_AT(exclude_neighbors), .preset = "true", .help = "far pairs are not near pairs as well"       \
    }
#define PACMAP_PRESETS                                                                                                 \
    {"optimizer", "adam", "adam"}, {"lr", "1", "1"}, {"max_iter", "450", "450"}, {"max_step", "0", "0"},               \
        {"init_scaling", "0.01", "1e-4"},                                                                              \
    {                                                                                                                  \
        "early_exaggeration_iter", "0", "1000000000"                                                                   \
    }

/* The hooks of ne_method_ops; params begins with a pacmap_params, state with a pacmap_state. */
ne_status pacmap_plan(const void *params, const ne_problem *problem, void *state, ne_terms *terms);
size_t    pacmap_neighbors(const void *params, size_t n);
ne_status pacmap_pairs(const void *params, const ne_problem *problem, void *state);
ne_status pacmap_begin(const void *params, const ne_problem *problem, void *state, int64_t step, ne_terms *terms);
ne_status pacmap_before(const void *params, const ne_problem *problem, void *state, int64_t step, const float *z,
                        ne_terms *terms);
ne_status pacmap_attract(const void *params, const ne_problem *problem, void *state, const float *z, size_t row0,
                         size_t row1, float *gradient);
ne_status pacmap_repulse(const void *params, const ne_problem *problem, void *state, const float *z, size_t row0,
                         size_t row1, float *gradient);
ne_status pacmap_attract_loss(const void *params, const ne_problem *problem, void *state, const float *z, size_t row0,
                              size_t row1, double *loss);
ne_status pacmap_repulse_loss(const void *params, const ne_problem *problem, void *state, const float *z, size_t row0,
                              size_t row1, double *loss);
void      pacmap_clear(ne_context *context, void *state);
/* What the state's arrays take, after pacmap_plan(), and at most while pairs are drawn; redraws: far pairs are drawn
 * anew, which takes lists. For estimates. */
double pacmap_bytes(const ne_problem *problem, const void *state, int redraws, double *kept);

#endif

/* methods/largevis.c: LargeVis (Tang, Liu, Zhang & Mei, WWW 2016), all edges at every step.
 *
 *     L_att = sum_ij p_ij log(2 + |z_i - z_j|^2),   p_ij the symmetrised entropic affinity
 *     L_rep = -(1/n) sum_i sum_{m in Neg(i)} log(1 - 1 / (2 + |z_i - z_m|^2)),   Neg(i): n_negatives rows drawn at each step
 *
 * The kernel 1 / (2 + s) is w / (1 + w) of t-SNE's w = 1 / (1 + s). The published method draws edges one by one, in proportion
 * to p, with 5 negatives of weight 7 by degree; here all edges act, and 35 uniform negatives of weight 1 have the same
 * mean with less noise. */
#include "methods/methods.h"

typedef struct largevis_params {
    int64_t n_negatives, exclude_neighbors;
} largevis_params;

#define AT(field) offsetof(largevis_params, field)
static const ne_option largevis_options[] = {
    {.name      = "n_negatives",
     .type      = NE_OPT_INT,
     .offset    = AT(n_negatives),
     .preset    = "35",
     .reference = "5",
     .min       = 1,
     .max       = 1e6,
     .help = "rows that each row draws at each step to be pushed away from; the published 5 of weight 7 are 35 of 1"},
    {.name   = "exclude_neighbors_from_negative_sampling",
     .type   = NE_OPT_BOOL,
     .offset = AT(exclude_neighbors),
     .preset = "false",
     .help   = "leave the neighbors of a row out of what it draws; slower, since rows then draw one by one"},
};

static const ne_preset largevis_presets[] = {
    {"max_iter", "500", "1000"},
    {"scheduler", "linear", "linear"},
    {"scheduler_start_factor", "auto", "0.3333333333333333"},
    {"scheduler_end_factor", "auto", "1"},
    {"scheduler_total_iters", "auto", "5"},
    {"repulsion", "auto", "auto"},
};

static ne_status largevis_plan(const void *params, const ne_problem *problem, void *state, ne_terms *terms)
{
    const largevis_params *p = params;
    (void)problem;
    (void)state;
    if (terms->repulsion != NE_REPULSION_AUTO)
        return ne_fail(NE_UNSUPPORTED, "repulsion: largevis samples its repulsion, auto is all there is");
    terms->normalised        = NE_UNNORMALISED;
    terms->repulsion         = NE_REPULSION_SAMPLED;
    terms->negatives         = p->n_negatives;
    terms->exclude_neighbors = (int32_t)p->exclude_neighbors;
    return NE_OK;
}

const ne_method_ops method_largevis = {
    .struct_size  = sizeof(ne_method_ops),
    .name         = "largevis",
    .help         = "LargeVis: neighbors attract, a few rows drawn at random repel",
    .affinity_in  = "entropic",
    .affinity_out = "largevis",
    .options      = largevis_options,
    .option_count = sizeof largevis_options / sizeof *largevis_options,
    .option_size  = sizeof(ne_option),
    .presets      = largevis_presets,
    .preset_count = sizeof largevis_presets / sizeof *largevis_presets,
    .params_size  = sizeof(largevis_params),
    .plan         = largevis_plan,
};

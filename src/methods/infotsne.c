/* methods/infotsne.c: InfoTSNE, t-SNE with the contrastive loss InfoNCE (Damrich, Bohm, Hamprecht & Kobak, ICLR 2023).
 *
 *     L_att = sum_ij p_ij log(1 + |z_i - z_j|^2),   p_ij the symmetrised entropic affinity
 *     L_rep = (1/n) sum_i log sum_{m in Neg(i)} (1 + |z_i - z_m|^2)^-1,   Neg(i): n_negatives rows drawn at each step
 *
 * The pair of neighbors itself is not in the second sum. The more negatives, the nearer to a t-SNE normalised row by row,
 * which repulsion = exact computes. Cost: n n_negatives pairs a step, at 0.5 ns. */
#include "methods/methods.h"

typedef struct infotsne_params {
    int64_t n_negatives, exclude_neighbors;
} infotsne_params;

#define AT(field) offsetof(infotsne_params, field)
static const ne_option infotsne_options[] = {
    {.name   = "n_negatives",
     .type   = NE_OPT_INT,
     .offset = AT(n_negatives),
     .preset = "300",
     .min    = 1,
     .max    = 1e6,
     .help   = "rows that each row draws at each step to be pushed away from"},
    {.name   = "exclude_neighbors_from_negative_sampling",
     .type   = NE_OPT_BOOL,
     .offset = AT(exclude_neighbors),
     .preset = "false",
     .help   = "leave the neighbors of a row out of what it draws; slower, since rows then draw one by one"},
};

static const ne_preset infotsne_presets[] = {
    {"max_iter", "500", "1000"},
    {"early_exaggeration_coeff", "12", "12"},
    {"early_exaggeration_iter", "100", "250"},
    {"scheduler", "linear", "linear"},
    {"scheduler_start_factor", "auto", "0.3333333333333333"},
    {"scheduler_end_factor", "auto", "1"},
    {"scheduler_total_iters", "auto", "5"},
    {"repulsion", "auto", "auto"},
};

static ne_status infotsne_plan(const void *params, const ne_problem *problem, void *state, ne_terms *terms)
{
    const infotsne_params *p = params;
    (void)problem;
    (void)state;
    terms->normalised = NE_OVER_ROWS;
    if (terms->repulsion == NE_REPULSION_AUTO) {
        terms->repulsion         = NE_REPULSION_SAMPLED;
        terms->negatives         = p->n_negatives;
        terms->exclude_neighbors = (int32_t)p->exclude_neighbors;
    }
    return NE_OK;
}

const ne_method_ops method_infotsne = {
    .struct_size  = sizeof(ne_method_ops),
    .name         = "infotsne",
    .help         = "InfoTSNE: t-SNE whose repulsion is sampled, each row against a few hundred others",
    .affinity_in  = "entropic",
    .affinity_out = "student",
    .options      = infotsne_options,
    .option_count = sizeof infotsne_options / sizeof *infotsne_options,
    .option_size  = sizeof(ne_option),
    .presets      = infotsne_presets,
    .preset_count = sizeof infotsne_presets / sizeof *infotsne_presets,
    .params_size  = sizeof(infotsne_params),
    .plan         = infotsne_plan,
};

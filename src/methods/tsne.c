/* methods/tsne.c: t-SNE (van der Maaten & Hinton, JMLR 2008).
 *
 *     C(Z) = KL(P || Q),   p_ij the symmetrised entropic affinity,   q_ij = (1 + |z_i - z_j|^2)^-1 / sum of all
 *          = sum_ij p_ij log p_ij  +  L_att + L_rep
 *     L_att = sum_ij p_ij log(1 + |z_i - z_j|^2),   L_rep = log sum_{i != j} (1 + |z_i - z_j|^2)^-1
 *
 * degrees_of_freedom puts the Student kernel of van der Maaten (AISTATS 2009) in place of the Cauchy one. All the work is
 * done by the stock kernels. */
#include "methods/methods.h"

enum {
    MANY = 1000 /* rows, from which on the higher momentum is the better one; tens of rows it throws about */
};

static const ne_preset tsne_presets[] = {
    {"early_exaggeration_coeff", "6", "12"},
    {"early_exaggeration_iter", "75", "250"},
    {"late_exaggeration_coeff", "auto", "1"},
    {"max_iter", "300", "2000"},
};

static ne_status tsne_plan(const void *params, const ne_problem *problem, void *state, ne_terms *terms)
{
    (void)params;
    (void)state;
    terms->normalised = NE_OVER_PAIRS;
    if (!problem->reference) terms->momentum = problem->n < MANY ? 0.9 : 0.95;
    return NE_OK;
}

const ne_method_ops method_tsne = {
    .struct_size  = sizeof(ne_method_ops),
    .name         = "tsne",
    .help         = "t-SNE: neighbors stay neighbors, clusters come apart",
    .affinity_in  = "entropic",
    .affinity_out = "student",
    .option_size  = sizeof(ne_option),
    .presets      = tsne_presets,
    .preset_count = sizeof tsne_presets / sizeof *tsne_presets,
    .plan         = tsne_plan,
};

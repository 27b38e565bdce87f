/* methods/sne.c: stochastic neighbor embedding (Hinton & Roweis, NIPS 2002).
 *
 *     C(Z) = 1/n sum_i KL(p_i || q_i),   p_i the entropic affinities of row i,   q_ij = exp(-s_ij) / S_i,  s_ij = |z_i - z_j|^2
 *          = sum_ij P_ij log(n P_ij)  +  L_att + L_rep,   P_ij = p_ij / n,   S_i = sum_{l != i} exp(-s_il)
 *     L_att = sum_ij P_ij s_ij,   L_rep = 1/n sum_i log S_i
 *
 * Symmetrising P changes neither L_att nor its gradient, as s is symmetric; "kl" is that of the symmetric P. The kernel
 * has no heavy tail, so points crowd together where t-SNE separates them. sigma widens it. All the work is done by the
 * stock kernels; n^2 exponentials a step. */
#include "methods/methods.h"

/* Attraction grows with distance, so a rate that is too high does not end in a bad picture but in infinity. No early
 * exaggeration: there are no tight clusters to form. */
static const ne_preset sne_presets[] = {
    {"early_exaggeration_coeff", "1", "1"},
    {"early_exaggeration_iter", "0", "0"},
};

static ne_status sne_plan(const void *params, const ne_problem *problem, void *state, ne_terms *terms)
{
    (void)params;
    (void)problem;
    (void)state;
    terms->normalised = NE_OVER_ROWS;
    return NE_OK;
}

const ne_method_ops method_sne = {
    .struct_size  = sizeof(ne_method_ops),
    .name         = "sne",
    .help         = "SNE: t-SNE's ancestor, with a Gaussian kernel and rows that compete with themselves only",
    .affinity_in  = "entropic",
    .affinity_out = "gaussian",
    .option_size  = sizeof(ne_option),
    .presets      = sne_presets,
    .preset_count = sizeof sne_presets / sizeof *sne_presets,
    .plan         = sne_plan,
};

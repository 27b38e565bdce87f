/* tests/plugin/plugin_methods.c: methods in a shared object of their own, which knows of the library what ne.h says.
 *
 * plugin_tsne is the table of tsne, with stock kernels. plugin_springs brings every hook, and its arithmetic is exported,
 * so that hooks of another language can call the very same: then all bits must be the same too.
 *
 *     sum_ij p_ij log(2 + s_ij)  -  (1/n) sum_i log(1 - 1 / (2 + s_im)),   m = the row that i draws at this step */
#include <ne.h>

#include <math.h>

ne_status plugin_register(void);
void plugin_attract(size_t c, const int64_t *start, const int32_t *col, const float *val, const float *z, size_t row0,
                    size_t row1, float *gradient, double *loss);
void plugin_repel(size_t n, size_t c, const int32_t *to, const int32_t *from, const float *z, size_t row0, size_t row1,
                  float *gradient, double *loss);

static double square(const float *a, const float *b, size_t c)
{
    double sum = 0;
    for (size_t k = 0; k < c; k++) sum += ((double)a[k] - (double)b[k]) * ((double)a[k] - (double)b[k]);
    return sum;
}

void plugin_attract(size_t c, const int64_t *start, const int32_t *col, const float *val, const float *z, size_t row0,
                    size_t row1, float *gradient, double *loss)
{
    for (size_t i = row0; i < row1; i++) {
        for (size_t k = 0; gradient && k < c; k++) gradient[i * c + k] = 0;
        for (int64_t e = start[i]; e < start[i + 1]; e++) {
            const float *zi = z + i * c, *zj = z + (size_t)col[e] * c;
            const double s = square(zi, zj, c);
            if (loss) *loss += (double)val[e] * log(2 + s);
            for (size_t k = 0; gradient && k < c; k++)
                gradient[i * c + k] += (float)(4 * (double)val[e] / (2 + s) * ((double)zi[k] - (double)zj[k]));
        }
    }
}

/* to: the row that each row draws; from: the row that draws it. */
void plugin_repel(size_t n, size_t c, const int32_t *to, const int32_t *from, const float *z, size_t row0, size_t row1,
                  float *gradient, double *loss)
{
    for (size_t i = row0; i < row1; i++) {
        const float *zi = z + i * c, *zm[2] = {z + (size_t)to[i] * c, z + (size_t)from[i] * c};
        if (loss) *loss -= log(1 - 1 / (2 + square(zi, zm[0], c))) / (double)n;
        for (size_t k = 0; gradient && k < c; k++) {
            double sum = 0;
            for (int end = 0; end < 2; end++) {
                const double s = square(zi, zm[end], c);
                sum -= 2 * ((double)zi[k] - (double)zm[end][k]) / ((2 + s) * (1 + s)) / (double)n;
            }
            gradient[i * c + k] = (float)sum;
        }
    }
}

/* --- The hooks */

typedef struct springs {
    int32_t *to, *from;
} springs;

static ne_status springs_plan(const void *params, const ne_problem *problem, void *state, ne_terms *terms)
{
    (void)params, (void)problem, (void)state;
    terms->normalised = NE_UNNORMALISED;
    terms->repulsion  = NE_REPULSION_NONE;
    return NE_OK;
}

static ne_status springs_begin(const void *params, const ne_problem *problem, void *state)
{
    springs *of = state;
    (void)params;
    of->to   = ne_allocate(problem->context, problem->n, sizeof *of->to);
    of->from = ne_allocate(problem->context, problem->n, sizeof *of->from);
    return of->to && of->from ? NE_OK : NE_OUT_OF_MEMORY;
}

/* A draw for each row, keyed by the caller's index: the shift of a row along the caller's order. */
static ne_status springs_before(const void *params, const ne_problem *problem, void *state, int64_t step,
                                const float *z, ne_terms *terms)
{
    springs *of = state;
    uint32_t word[4];
    (void)params, (void)z, (void)terms;
    ne_draw(problem, (uint32_t)step, 0, 0, word);
    const size_t n = problem->n, shift = 1 + word[0] % (n - 1);
    for (size_t i = 0; i < n; i++) {
        of->to[i]   = (int32_t)((i + shift) % n);
        of->from[i] = (int32_t)((i + n - shift) % n);
    }
    return NE_OK;
}

static ne_status springs_attract(const void *params, const ne_problem *problem, void *state, const float *z,
                                 size_t row0, size_t row1, float *gradient)
{
    const ne_csr *p = problem->affinity;
    (void)params, (void)state;
    plugin_attract(problem->c, p->start, p->col, p->val, z, row0, row1, gradient, NULL);
    return NE_OK;
}

static ne_status springs_attract_loss(const void *params, const ne_problem *problem, void *state, const float *z,
                                      size_t row0, size_t row1, double *loss)
{
    const ne_csr *p = problem->affinity;
    (void)params, (void)state;
    plugin_attract(problem->c, p->start, p->col, p->val, z, row0, row1, NULL, loss);
    return NE_OK;
}

static ne_status springs_repel(const void *params, const ne_problem *problem, void *state, const float *z, size_t row0,
                               size_t row1, float *gradient)
{
    const springs *of = state;
    (void)params;
    plugin_repel(problem->n, problem->c, of->to, of->from, z, row0, row1, gradient, NULL);
    return NE_OK;
}

static ne_status springs_repel_loss(const void *params, const ne_problem *problem, void *state, const float *z,
                                    size_t row0, size_t row1, double *loss)
{
    const springs *of = state;
    (void)params;
    plugin_repel(problem->n, problem->c, of->to, of->from, z, row0, row1, NULL, loss);
    return NE_OK;
}

static void springs_clear(ne_context *context, void *state)
{
    springs *of = state;
    ne_release(context, of->to);
    ne_release(context, of->from);
}

static ne_status tsne_plan(const void *params, const ne_problem *problem, void *state, ne_terms *terms)
{
    (void)params, (void)problem, (void)state;
    terms->normalised = NE_OVER_PAIRS;
    terms->momentum   = 0.9;
    return NE_OK;
}

static const ne_preset tsne_presets[] = {{"early_exaggeration_coeff", "6", "12"},
                                         {"early_exaggeration_iter", "75", "250"}};

static const ne_method_ops tsne = {
    .struct_size  = sizeof(ne_method_ops),
    .name         = "plugin_tsne",
    .help         = "t-SNE, from outside",
    .affinity_in  = "entropic",
    .affinity_out = "student",
    .presets      = tsne_presets,
    .preset_count = 2,
    .plan         = tsne_plan,
};

static const ne_method_ops springs_table = {
    .struct_size          = sizeof(ne_method_ops),
    .name                 = "plugin_springs",
    .help                 = "every hook, from outside",
    .affinity_in          = "entropic",
    .state_size           = sizeof(springs),
    .plan                 = springs_plan,
    .on_affinity_computed = springs_begin,
    .before_gradient      = springs_before,
    .attractive_gradient  = springs_attract,
    .repulsive_gradient   = springs_repel,
    .attractive_loss      = springs_attract_loss,
    .repulsive_loss       = springs_repel_loss,
    .clear                = springs_clear,
};

ne_status plugin_register(void)
{
    ne_status st = ne_method_register(&tsne);
    return st == NE_OK ? ne_method_register(&springs_table) : st;
}

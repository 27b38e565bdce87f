/* methods/umap.c: UMAP (McInnes, Healy & Melville 2018).
 *
 *     f_i = 2 sum_j p_ij clamp(2 b t / (s (1 + t)) d) + (rate sum_j p_ij / M) sum_{m in Neg(i)} clamp(-2 b / ((0.001 + s) (1 + t)) d)
 *
 * with t = a s^b, s = |d|^2, d = z_i - z_j, clamped by pair and coordinate to [-4, 4]; p is the union of the two directions, at
 * most 1. Only the row itself moves; the factor 2 stands for the other end of its edges, which does the same.
 *
 * edges = sampled is the published schedule: an edge acts with weight 1 at every 1 / p-th step, and each time row i draws
 * negative_sample_rate rows. It acts at step t where floor((t + 1) p) > floor(t p), which needs no memory of the last time;
 * the product is exact in double. edges = weighted (the default) takes the mean of that: all edges at each step by their
 * weight and M rows drawn with the weight that makes up for it. Without that noise fewer steps do. */
#include "affinity/input.h"
#include "base/random.h"
#include "methods/methods.h"
#include "methods/umap_forces.h"

#include <math.h>
#include <string.h>

enum {
    EDGES_WEIGHTED = 0,
    EDGES_SAMPLED  = 1,
    TILE           = 256
};

typedef struct umap_params {
    double  negative_sample_rate;
    int64_t edges, n_negatives, exclude_neighbors;
} umap_params;

#define AT(field) offsetof(umap_params, field)
static const ne_option umap_options[] = {
    {.name   = "negative_sample_rate",
     .type   = NE_OPT_REAL,
     .offset = AT(negative_sample_rate),
     .preset = "5",
     .min    = 0,
     .max    = 1e6,
     .help   = "how often the other end of an edge is outweighed: rows drawn for each edge that acts"},
    {.name      = "edges",
     .type      = NE_OPT_CHOICE,
     .offset    = AT(edges),
     .preset    = "weighted",
     .reference = "sampled",
     .choices   = "weighted|sampled",
     .help = "all edges at each step by their weight, or each as often as its weight says (the published schedule)"},
    {.name   = "n_negatives",
     .type   = NE_OPT_INT,
     .offset = AT(n_negatives),
     .preset = "16",
     .min    = 1,
     .max    = 1e6,
     .help   = "edges = weighted: rows that each row draws at a step, with a weight that keeps the rate"},
    {.name   = "exclude_neighbors_from_negative_sampling",
     .type   = NE_OPT_BOOL,
     .offset = AT(exclude_neighbors),
     .preset = "false",
     .help   = "leave the neighbors of a row out of what it draws; slower, and with edges = sampled only"},
};

static const ne_preset umap_presets[] = {
    {"metric", "euclidean", "sqeuclidean"},
    {"max_iter_affinity", "100", "100"},
    {"max_iter", "300", "1000"},
    {"optimizer", "adam", "sgd"},
    {"lr", "0.15", "1"},
    {"momentum", "0", "0"},
    {"gains", "false", "false"},
    {"max_step", "0", "0"},
    {"scheduler", "linear", "linear"},
    {"init_scaling", "5", "1e-4"},
    {"repulsion", "auto", "auto"},
};

typedef struct umap_state {
    umap_curve  curve;
    double      a, b;
    float       largest; /* affinity: the edges that have it act at every step */
    int32_t     lists;   /* rows draw for themselves */
    int64_t     step;
    umap_circle on;
    uint32_t   *rotation; /* of this step, n_negatives or as many as fit the row that draws most */
    size_t      rotations;
    int32_t    *row_of;    /* n: the working row of a caller's index; with lists */
    double     *potential; /* of the repulsion, tabulated when first wanted */
} umap_state;

static ne_status umap_plan(const void *params, const ne_problem *problem, void *state, ne_terms *terms)
{
    const umap_params *p  = params;
    umap_state        *s  = state;
    ne_status          st = umap_kernel_ab(terms->affinity_out_params, &s->a, &s->b);

    if (st == NE_OK && terms->repulsion != NE_REPULSION_AUTO)
        st = ne_fail(NE_UNSUPPORTED, "repulsion: umap samples its repulsion, auto is all there is");
    if (st == NE_OK && p->exclude_neighbors && p->edges == EDGES_WEIGHTED)
        st = ne_fail(NE_UNSUPPORTED, "exclude_neighbors_from_negative_sampling: true needs edges = sampled");
    s->curve            = (umap_curve){(float)s->a, (float)s->b};
    s->lists            = problem->reference || p->exclude_neighbors;
    terms->repulsion    = NE_REPULSION_NONE;
    terms->affinity_out = NULL;
    terms->one_end      = 1;
    terms->negatives    = s->lists ? 0 : p->n_negatives; /* for the circle */
    return st;
}

/* --- What a row may draw ----------------------------------------------------------------------------------------- */

static int edge_acts(const ne_problem *problem, const umap_state *s, float value)
{
    const double p = (double)value / (double)s->largest, t = (double)s->step;
    return p * (double)problem->max_iter > 1 && floor((t + 1) * p) > floor(t * p);
}

static size_t count_active(const ne_problem *problem, const umap_state *s, size_t i)
{
    const float *val   = problem->affinity->val;
    size_t       count = 0;
    for (int64_t e = problem->affinity->start[i]; e < problem->affinity->start[i + 1]; e++)
        count += (size_t)edge_acts(problem, s, val[e]);
    return count;
}

/* Rows left out besides itself, and what is left to draw from. */
static size_t excluded_count(const umap_params *p, const ne_problem *problem, size_t i)
{
    return p->exclude_neighbors ? (size_t)(problem->affinity->start[i + 1] - problem->affinity->start[i]) : 0;
}

/* Slot `slot` of row i, drawn for itself: the u-th row, in the caller's order, of those that are not left out. */
static int32_t draw_for_itself(const umap_params *p, const ne_problem *problem, const umap_state *s, size_t i,
                               uint32_t slot)
{
    const int64_t      own = problem->order[i];
    const size_t       out = excluded_count(p, problem, i);
    const int32_t     *col = problem->affinity->col + problem->affinity->start[i];
    const random_block b   = random_draw(problem->seed, STREAM_NEGATIVE, (uint32_t)s->step, (uint64_t)own, slot);
    const int64_t      u   = (int64_t)random_below(b.word[0], b.word[1], problem->n - 1 - out);
    int64_t            v   = u, next;
    for (;; v = next) {
        next = u + (own <= v);
        for (size_t q = 0; q < out; q++) next += problem->order[col[q]] <= v;
        if (next == v) return s->row_of[v];
    }
}

static int32_t draw_by_circle(const ne_problem *problem, const umap_state *s, size_t i, size_t slot)
{
    const size_t place = (size_t)problem->circle[i] + s->rotation[slot];
    return problem->circle_row[place < problem->n ? place : place - problem->n];
}

/* --- Before the steps, and before each ---------------------------------------------------------------------------- */

static ne_status umap_prepare(const void *params, const ne_problem *problem, void *state)
{
    const umap_params *p   = params;
    umap_state        *s   = state;
    const float       *val = problem->affinity->val;
    const size_t       n = problem->n, c = problem->c;
    double             widest = 0; /* the most that a row draws at a step */

    s->largest = 0;
    for (int64_t e = 0; e < problem->affinity->start[n]; e++) s->largest = fmaxf(s->largest, val[e]);
    if (!(s->largest > 0)) return ne_fail(NE_INVALID_ARGUMENT, "affinity: all of it is 0");
    for (size_t i = 0; i < n; i++) {
        const int64_t edges = problem->affinity->start[i + 1] - problem->affinity->start[i];
        widest              = fmax(widest, (double)edges * p->negative_sample_rate);
        if (excluded_count(p, problem, i) + 1 >= n)
            return ne_fail(NE_INVALID_ARGUMENT,
                           "exclude_neighbors_from_negative_sampling: row %lld has all others as neighbors",
                           (long long)problem->order[i]);
    }
    s->on        = (umap_circle){.n = n, .c = c, .stride = 2 * n + UMAP_PLACES};
    s->rotations = p->edges == EDGES_WEIGHTED ? (size_t)p->n_negatives : (size_t)widest;
    s->rotation  = ne_allocate(problem->context, s->rotations + 1, sizeof *s->rotation);
    s->row_of    = ne_allocate(problem->context, n, sizeof *s->row_of);
    s->potential = ne_allocate(problem->context, UMAP_POTENTIAL + 1, sizeof *s->potential);
    if (!s->rotation || !s->row_of || !s->potential) return NE_OUT_OF_MEMORY;
    umap_repel_tabulate(s->a, s->b, s->potential);
    if (p->edges == EDGES_SAMPLED) return NE_OK;
    s->on.z      = ne_allocate(problem->context, s->on.stride, c * sizeof *s->on.z);
    s->on.f      = ne_allocate(problem->context, s->on.stride, c * sizeof *s->on.f);
    s->on.weight = ne_allocate(problem->context, s->on.stride, sizeof *s->on.weight);
    if (!s->on.z || !s->on.f || !s->on.weight) return NE_OUT_OF_MEMORY;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t e = problem->affinity->start[i]; e < problem->affinity->start[i + 1]; e++) sum += (double)val[e];
        s->on.weight[problem->circle[i]] =
            (float)(p->negative_sample_rate * sum / (double)s->largest / (double)p->n_negatives);
    }
    return NE_OK;
}

static ne_status umap_before_gradient(const void *params, const ne_problem *problem, void *state, int64_t step,
                                      const float *z, ne_terms *terms)
{
    const umap_params *p      = params;
    umap_state        *s      = state;
    const umap_circle *on     = &s->on;
    const int64_t      blocks = (int64_t)((problem->n + UMAP_PLACES - 1) / UMAP_PLACES);
    (void)terms;

    s->step = step;
    for (size_t r = 0; !s->lists && r < s->rotations; r++)
        s->rotation[r] = ne_draw_rotation(problem, (uint32_t)step, (uint32_t)r);
    for (size_t i = 0; s->lists && i < problem->n; i++) s->row_of[problem->order[i]] = (int32_t)i;
    if (p->edges == EDGES_SAMPLED) return NE_OK;
#pragma omp parallel for schedule(static) num_threads(problem->threads)
    for (size_t a = 0; a < on->n; a++)
        for (size_t k = 0; k < on->c; k++)
            on->z[k * on->stride + a] = on->z[k * on->stride + on->n + a] =
                z[(size_t)problem->circle_row[a] * on->c + k];
#pragma omp parallel for schedule(dynamic, 1) num_threads(problem->threads)
    for (int64_t b = 0; b < blocks; b++)
        umap_repel_places(s->curve, on, (size_t)b * UMAP_PLACES, s->rotations, s->rotation);
    return NE_OK;
}

/* --- Gradient ---------------------------------------------------------------------------------------------------- */

static ne_status umap_attractive_gradient(const void *params, const ne_problem *problem, void *state, const float *z,
                                          size_t row0, size_t row1, float *gradient)
{
    const umap_params *p     = params;
    const umap_state  *s     = state;
    const ne_csr      *edges = problem->affinity;
    const float       *val   = edges->val;
    const size_t       c     = problem->c;

    if (p->edges == EDGES_WEIGHTED) {
        umap_attract_rows(s->curve, c, edges, z, 2 / s->largest, row0, row1, gradient);
        return NE_OK;
    }
    for (size_t i = row0; i < row1; i++) {
        float       *g     = gradient + i * c;
        const size_t first = (size_t)edges->start[i], last = (size_t)edges->start[i + 1];
        int32_t      acting[TILE];
        size_t       count = 0;
        memset(g, 0, c * sizeof *g);
        for (size_t e = first; e < last; e++) {
            if (edge_acts(problem, s, val[e])) acting[count++] = edges->col[e];
            if (count == TILE || e + 1 == last) {
                umap_attract(s->curve, c, z + i * c, z, count, acting, NULL, g);
                count = 0;
            }
        }
        for (size_t k = 0; k < c; k++) g[k] *= 2;
    }
    return NE_OK;
}

static ne_status umap_repulsive_gradient(const void *params, const ne_problem *problem, void *state, const float *z,
                                         size_t row0, size_t row1, float *gradient)
{
    const umap_params *p  = params;
    const umap_state  *s  = state;
    const umap_circle *on = &s->on;
    const size_t       c  = problem->c;

    for (size_t i = row0; i < row1; i++) {
        float *g = gradient + i * c;
        if (p->edges == EDGES_WEIGHTED) {
            for (size_t k = 0; k < c; k++) g[k] = on->f[k * on->stride + (size_t)problem->circle[i]];
            continue;
        }
        const size_t draws = (size_t)(p->negative_sample_rate * (double)count_active(problem, s, i));
        int32_t      drawn[TILE];
        memset(g, 0, c * sizeof *g);
        for (size_t slot = 0; slot < draws; slot += TILE) {
            const size_t count = draws - slot < TILE ? draws - slot : TILE;
            for (size_t t = 0; t < count; t++)
                drawn[t] = s->lists ? draw_for_itself(p, problem, s, i, (uint32_t)(slot + t))
                                    : draw_by_circle(problem, s, i, slot + t);
            umap_repel(s->curve, c, z + i * c, z, count, drawn, g);
        }
    }
    return NE_OK;
}

/* --- Loss: of each row with the others held fixed, so that the gradient of a row is that of its own loss ------------ */

static double square(const float *z, size_t c, size_t i, size_t j)
{
    double s = 0;
    for (size_t k = 0; k < c; k++) {
        const double d = (double)z[i * c + k] - (double)z[j * c + k];
        s += d * d;
    }
    return s;
}

static ne_status umap_attractive_loss(const void *params, const ne_problem *problem, void *state, const float *z,
                                      size_t row0, size_t row1, double *loss)
{
    const umap_params *p   = params;
    const umap_state  *s   = state;
    const float       *val = problem->affinity->val;
    for (size_t i = row0; i < row1; i++)
        for (int64_t e = problem->affinity->start[i]; e < problem->affinity->start[i + 1]; e++) {
            const double weight =
                p->edges == EDGES_WEIGHTED ? (double)val[e] / (double)s->largest : edge_acts(problem, s, val[e]);
            if (weight > 0)
                *loss += 2 * weight *
                         umap_attract_energy(s->a, s->b, square(z, problem->c, i, (size_t)problem->affinity->col[e]));
        }
    return NE_OK;
}

static ne_status umap_repulsive_loss(const void *params, const ne_problem *problem, void *state, const float *z,
                                     size_t row0, size_t row1, double *loss)
{
    const umap_params *p = params;
    const umap_state  *s = state;
    for (size_t i = row0; i < row1; i++) {
        const int    weighted = p->edges == EDGES_WEIGHTED;
        const double weight   = weighted ? (double)s->on.weight[problem->circle[i]] : 1;
        const size_t draws =
            weighted ? s->rotations : (size_t)(p->negative_sample_rate * (double)count_active(problem, s, i));
        for (size_t slot = 0; slot < draws; slot++) {
            const int32_t j =
                s->lists ? draw_for_itself(p, problem, s, i, (uint32_t)slot) : draw_by_circle(problem, s, i, slot);
            *loss += weight * umap_repel_energy(s->a, s->b, s->potential, square(z, problem->c, i, (size_t)j));
        }
    }
    return NE_OK;
}

static void umap_clear(ne_context *context, void *state)
{
    umap_state *s = state;
    ne_release(context, s->rotation);
    ne_release(context, s->row_of);
    ne_release(context, s->potential);
    ne_release(context, s->on.z);
    ne_release(context, s->on.f);
    ne_release(context, s->on.weight);
}

double umap_bytes(const void *params, const ne_problem *problem, double *kept)
{
    const double n = (double)problem->n, c = (double)problem->c;
    *kept = n * sizeof(int32_t) + (UMAP_POTENTIAL + 1) * sizeof(double);
    if (((const umap_params *)params)->edges != EDGES_SAMPLED)
        *kept += (2 * n + UMAP_PLACES) * (2 * c + 1) * sizeof(float);
    return *kept;
}

const ne_method_ops method_umap = {
    .struct_size          = sizeof(ne_method_ops),
    .name                 = "umap",
    .help                 = "UMAP: neighbors attract, a few rows drawn at random repel",
    .affinity_in          = "umap",
    .affinity_out         = "umap_kernel",
    .options              = umap_options,
    .option_count         = sizeof umap_options / sizeof *umap_options,
    .option_size          = sizeof(ne_option),
    .presets              = umap_presets,
    .preset_count         = sizeof umap_presets / sizeof *umap_presets,
    .params_size          = sizeof(umap_params),
    .state_size           = sizeof(umap_state),
    .plan                 = umap_plan,
    .on_affinity_computed = umap_prepare,
    .before_gradient      = umap_before_gradient,
    .attractive_gradient  = umap_attractive_gradient,
    .repulsive_gradient   = umap_repulsive_gradient,
    .attractive_loss      = umap_attractive_loss,
    .repulsive_loss       = umap_repulsive_loss,
    .clear                = umap_clear,
};

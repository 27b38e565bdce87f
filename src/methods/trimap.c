/* methods/trimap.c: TriMap (Amid & Warmuth, arXiv 1910.00204).
 *
 *     L = sum_(i,j,m) w_ijm d_ij / (d_ij + d_im),   d_ij = 1 + |z_i - z_j|^2,   (i, j, m): i is nearer to j than to m
 *
 * Triplets are drawn once: for each of its n_inliers nearest j a row draws n_outliers rows m that are no nearer, and it draws
 * n_random pairs (j, m) anywhere. With P_ij = -|x_i - x_j|^2 / (r_i r_j), r_i the mean distance to the 3rd, 4th and 5th
 * neighbor, w = P_ij - P_im (a tenth of it for the random ones), less the smallest of all, then a tempered logarithm,
 * w -> ((1 + w)^(1 - t) - 1) / (1 - t) with t = weight_temp.
 *
 * A triplet is two springs of row i: b = 2 w / (d_ij + d_im)^2 gives b d_im (z_i - z_j) and -b d_ij (z_i - z_m), and the other
 * ends the opposite. So a step first finds the stiffness of the springs of each row, and then every row gathers those
 * of its own springs and of the ones that end at it: no scatter, and the same bits for any number of threads.
 *
 * The authors' descent, momentum with gains and a gradient taken ahead of z by momentum times velocity, is sgd with gains
 * and nesterov, whose z is that point ahead. They leave the factor 2 out of the gradient: lr 0.05 here is their 0.1. */
#include "methods/trimap.h"

#include "base/clones.h"
#include "methods/links.h"
#include "methods/methods.h"
#include "methods/rows.h"
#include "methods/scaled.h"

#include <math.h>
#include <omp.h>

enum {
    EXTRA         = 49, /* neighbors to choose the inliers from, beyond n_inliers */
    MOMENTUM_STEP = 250
};

typedef struct trimap_params {
    int64_t n_inliers, n_outliers, n_random;
    double  weight_temp;
} trimap_params;

static const ne_option trimap_options[] = {
    {.name   = "n_inliers",
     .type   = NE_OPT_INT,
     .offset = offsetof(trimap_params, n_inliers),
     .preset = "12",
     .min    = 1,
     .max    = 1e4,
     .help   = "nearest rows of each row that triplets keep near; n - 2 at most"},
    {.name   = "n_outliers",
     .type   = NE_OPT_INT,
     .offset = offsetof(trimap_params, n_outliers),
     .preset = "4",
     .min    = 1,
     .max    = 1e4,
     .help   = "triplets of each of them"},
    {.name   = "n_random",
     .type   = NE_OPT_INT,
     .offset = offsetof(trimap_params, n_random),
     .preset = "3",
     .min    = 0,
     .max    = 1e4,
     .help   = "triplets of each row with both others drawn at random"},
    {.name   = "weight_temp",
     .type   = NE_OPT_REAL,
     .offset = offsetof(trimap_params, weight_temp),
     .preset = "0.5",
     .min    = 0,
     .max    = 10,
     .help   = "temperature of the logarithm applied to the weights: 0 leaves them, larger ones make clusters denser"},
};

static const ne_preset trimap_presets[] = {
    {"optimizer", "sgd", "sgd"}, {"gains", "true", "true"},  {"nesterov", "true", "true"},     {"lr", "0.05", "0.05"},
    {"max_step", "0", "0"},      {"max_iter", "400", "400"}, {"init_scaling", "0.01", "0.01"},
};

static size_t trimap_neighbors(const void *params, size_t n)
{
    (void)n;
    return (size_t)((const trimap_params *)params)->n_inliers + EXTRA;
}

static ne_status trimap_plan(const void *params, const ne_problem *problem, void *state, ne_terms *terms)
{
    const trimap_params *p = params;
    trimap_state        *s = state;
    const size_t         n = problem->n, want = (size_t)p->n_inliers;

    s->inliers  = want < n - 2 ? want : n - 2; /* one row is left to be the outlier */
    s->outliers = (size_t)p->n_outliers < n ? (size_t)p->n_outliers : n;
    s->random   = n < 3 ? 0 : (size_t)p->n_random;
    s->near     = s->inliers + s->random;
    s->triplets = s->inliers * s->outliers + s->random;
    s->springs  = s->near + s->triplets;
    if (n > UINT32_MAX / (s->springs + 1))
        return ne_fail(NE_OUT_OF_RANGE, "n_inliers: %zu rows with %zu springs each are more than 2^32", n, s->springs);
    if (problem->sparse) return ne_fail(NE_UNSUPPORTED, "x: triplets need its distances, and it is sparse");
    if (!problem->x) return ne_fail(NE_INVALID_ARGUMENT, "x: triplets need its distances, and only a graph was given");
    if (!problem->metric) return NE_UNKNOWN_NAME; /* the text is the registry's */
    terms->keep_order = 1;
    terms->repulsion  = NE_REPULSION_NONE;
    return NE_OK;
}

/* --- Triplets ---------------------------------------------------------------------------------------------------- */

/* What all rows need to draw theirs; arrays by working row. */
typedef struct triplet_source {
    const ne_problem *problem;
    data_rows         rows;
    double           *radius, *distance; /* n; n x inliers, scaled */
    int32_t          *nearest, *place;   /* n x inliers, the caller's numbers; working row of a caller's row */
} triplet_source;

static double scaled_distance(const triplet_source *from, size_t row, int32_t j)
{
    const double d = rows_distance(&from->rows, (size_t)from->problem->order[row], (size_t)j);
    return rows_square(from->rows.squared, d) / (from->radius[row] * from->radius[from->place[j]]);
}

static void put_triplet(const triplet_source *from, const trimap_state *s, size_t row, size_t triplet, int32_t far,
                        double weight)
{
    s->other[row * s->springs + s->near + triplet] = from->place[far];
    s->weight[row * s->triplets + triplet]         = isnan(weight) ? 0 : (float)weight;
}

/* Far ends are distinct for each inlier. */
static void draw_outliers(const triplet_source *from, const trimap_state *s, size_t row, int32_t *scratch)
{
    const size_t   i    = (size_t)from->problem->order[row];
    const int32_t *near = from->nearest + row * s->inliers;
    uint32_t       word[4];

    for (size_t g = 0; g < s->inliers && near[g] != NO_PARTNER; g++) {
        excluded out = {.row = scratch};
        excluded_add(&out, (int32_t)i);
        for (size_t q = 0; q <= g; q++) excluded_add(&out, near[q]);
        s->other[row * s->springs + g] = from->place[near[g]];
        for (size_t t = g * s->outliers; t < (g + 1) * s->outliers; t++) {
            ne_draw(from->problem, 0, i, (uint32_t)t, word);
            const int32_t m = excluded_draw(&out, from->problem->n, word);
            if (m == NO_PARTNER) break;
            excluded_add(&out, m);
            put_triplet(from, s, row, t, m, scaled_distance(from, row, m) - from->distance[row * s->inliers + g]);
        }
    }
}

static void draw_random(const triplet_source *from, const trimap_state *s, size_t row, int32_t *scratch)
{
    const size_t i = (size_t)from->problem->order[row], n = from->problem->n, first = s->inliers * s->outliers;
    uint32_t     word[4];

    for (size_t g = 0; g < s->random; g++) {
        excluded out = {.row = scratch};
        int32_t  end[2];
        double   d[2];
        excluded_add(&out, (int32_t)i);
        for (uint32_t side = 0; side < 2; side++) {
            ne_draw(from->problem, 0, i, (uint32_t)(first + 2 * g) + side, word);
            end[side] = excluded_draw(&out, n, word);
            excluded_add(&out, end[side]);
            d[side] = scaled_distance(from, row, end[side]);
        }
        const int near                              = d[1] < d[0];
        s->other[row * s->springs + s->inliers + g] = from->place[end[near]];
        put_triplet(from, s, row, first + g, end[!near], 0.1 * (d[!near] - d[near]));
    }
}

/* The smallest weight becomes 0, and the largest ones are drawn in. */
static void temper_weights(const trimap_state *s, size_t n, double temperature)
{
    double smallest = INFINITY;
    for (size_t i = 0; i < n; i++)
        for (size_t t = 0; t < s->triplets; t++)
            if (s->other[i * s->springs + s->near + t] != (int32_t)i)
                smallest = fmin(smallest, (double)s->weight[i * s->triplets + t]);
    for (size_t i = 0; i < n; i++)
        for (size_t t = 0; t < s->triplets; t++) {
            float       *w    = &s->weight[i * s->triplets + t];
            const double from = 1 + ((double)*w - smallest);
            const double to =
                fabs(temperature - 1) < 1e-5 ? log(from) : (pow(from, 1 - temperature) - 1) / (1 - temperature);
            *w = s->other[i * s->springs + s->near + t] != (int32_t)i ? (float)to : 0;
        }
}

/* By counting sort. */
ne_status trimap_join(const ne_problem *problem, trimap_state *s)
{
    const size_t n = problem->n, all = n * s->springs;
    int64_t     *at = ne_allocate(problem->context, n + 1, sizeof *at);

    s->start = ne_allocate(problem->context, n + 1, sizeof *s->start);
    s->end   = ne_allocate(problem->context, all ? all : 1, sizeof *s->end);
    if (at && s->start && s->end) {
        for (size_t e = 0; e < all; e++) s->start[(size_t)s->other[e] + 1] += s->other[e] != (int32_t)(e / s->springs);
        for (size_t i = 0; i < n; i++) s->start[i + 1] += s->start[i];
        for (size_t i = 0; i < n; i++) at[i] = s->start[i];
        for (size_t e = 0; e < all; e++) {
            const int32_t row = (int32_t)(e / s->springs);
            if (s->other[e] != row) s->end[at[s->other[e]]++] = (spring_end){row, (uint32_t)e};
        }
    }
    ne_release(problem->context, at);
    return at && s->start && s->end ? NE_OK : NE_OUT_OF_MEMORY;
}

static ne_status trimap_triplets(const void *params, const ne_problem *problem, void *state)
{
    const trimap_params *p       = params;
    trimap_state        *s       = state;
    ne_context          *context = problem->context;
    const size_t         n = problem->n, room = 2 + s->inliers + s->outliers + 2;
    triplet_source       from    = {.problem = problem};
    int32_t             *scratch = NULL;
    ne_status            st      = NE_OK;

    if (!problem->distances)
        return ne_fail(NE_UNSUPPORTED, "graph: inliers are chosen by distances, and an affinity has none");
    s->other      = ne_allocate(context, n, (s->springs + 1) * sizeof *s->other);
    s->weight     = ne_allocate(context, n, (s->triplets + 1) * sizeof *s->weight);
    s->stiffness  = ne_allocate(context, n, (s->springs + 1) * sizeof *s->stiffness);
    s->scratch    = ne_allocate(context, (size_t)problem->threads, (s->triplets + 1) * sizeof *s->scratch);
    from.radius   = ne_allocate(context, n, sizeof *from.radius);
    from.distance = ne_allocate(context, n, (s->inliers + 1) * sizeof *from.distance);
    from.nearest  = ne_allocate(context, n, (s->inliers + 1) * sizeof *from.nearest);
    from.place    = ne_allocate(context, n, sizeof *from.place);
    scratch       = ne_allocate(context, (size_t)problem->threads * room, sizeof *scratch);
    if (!s->other || !s->weight || !s->stiffness || !s->scratch || !from.radius || !from.distance || !from.nearest ||
        !from.place || !scratch) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if ((st = rows_open(problem, 0, &from.rows)) != NE_OK) goto done;
    for (size_t r = 0; r < n; r++) from.place[problem->order[r]] = (int32_t)r;
    scaled_radii(problem, from.rows.squared, 2, from.radius);
    for (size_t i = 0; i < n; i++) from.radius[i] = fmax(from.radius[i], 1e-10);
    scaled_nearest(problem, from.rows.squared, from.radius, s->inliers, from.nearest, from.distance);
    for (size_t e = 0; e < n * s->springs; e++) s->other[e] = (int32_t)(e / s->springs);
#pragma omp parallel for schedule(static) num_threads(problem->threads)
    for (size_t i = 0; i < n; i++) {
        int32_t *own = scratch + (size_t)omp_get_thread_num() * room;
        draw_outliers(&from, s, i, own);
        draw_random(&from, s, i, own);
    }
    temper_weights(s, n, p->weight_temp);
    st = trimap_join(problem, s);
done:
    rows_close(context, &from.rows);
    ne_release(context, from.radius);
    ne_release(context, from.distance);
    ne_release(context, from.nearest);
    ne_release(context, from.place);
    ne_release(context, scratch);
    return st;
}

/* --- Steps ------------------------------------------------------------------------------------------------------- */

static ne_status trimap_begin(const void *params, const ne_problem *problem, void *state, int64_t step, ne_terms *terms)
{
    (void)params;
    (void)problem;
    (void)state;
    terms->momentum = step > MOMENTUM_STEP ? 0.8 : 0.5;
    return NE_OK;
}

/* Squared lengths of a row's springs, plus 1. */
NE_INLINE void spring_lengths(size_t c, size_t count, const float *restrict z, size_t row, const int32_t *other,
                              float *restrict d)
{
    const float *zi = z + row * c;
    for (size_t e = 0; e < count; e++) {
        const float *zj = z + (size_t)other[e] * c;
        float        s  = 1;
        for (size_t k = 0; k < c; k++) s += (zi[k] - zj[k]) * (zi[k] - zj[k]);
        d[e] = s;
    }
}

/* d is replaced by the stiffness. near_length has room for the triplets. */
NE_CLONES static void trimap_stiffness(const trimap_state *s, size_t c, const float *restrict z, size_t row,
                                       float *restrict d, float *restrict near_length)
{
    const int32_t *other  = s->other + row * s->springs;
    const float   *weight = s->weight + row * s->triplets;
    float         *far    = d + s->near;

    if (c == 2) spring_lengths(2, s->springs, z, row, other, d);
    else spring_lengths(c, s->springs, z, row, other, d);
    for (size_t g = 0, t = 0; g < s->near; g++)
        for (size_t q = 0; q < (g < s->inliers ? s->outliers : 1); q++, t++) near_length[t] = d[g];
#pragma omp simd
    for (size_t t = 0; t < s->triplets; t++) {
        const float sum = near_length[t] + far[t], b = 2 * weight[t] / (sum * sum), pull = b * far[t];
        far[t]         = -b * near_length[t];
        near_length[t] = pull;
    }
    for (size_t g = 0, t = 0; g < s->near; g++) {
        float pull = 0;
        for (size_t q = 0; q < (g < s->inliers ? s->outliers : 1); q++, t++) pull += near_length[t];
        d[g] = pull;
    }
}

static ne_status trimap_before(const void *params, const ne_problem *problem, void *state, int64_t step, const float *z,
                               ne_terms *terms)
{
    const trimap_state *s = state;
    (void)params;
    (void)step;
    (void)terms;
#pragma omp parallel for schedule(static) num_threads(problem->threads)
    for (size_t i = 0; i < problem->n; i++)
        trimap_stiffness(s, problem->c, z, i, s->stiffness + i * s->springs,
                         s->scratch + (size_t)omp_get_thread_num() * s->triplets);
    return NE_OK;
}

NE_CLONES static void trimap_gather_plane(const trimap_state *s, const float *restrict z, size_t row0, size_t row1,
                                          float *restrict f)
{
    for (size_t i = row0; i < row1; i++) {
        const int32_t *other = s->other + i * s->springs;
        const float   *own   = s->stiffness + i * s->springs;
        const float    x = z[2 * i], y = z[2 * i + 1];
        float          fx = 0, fy = 0;
        for (size_t e = 0; e < s->springs; e++) {
            fx += own[e] * (x - z[2 * (size_t)other[e]]);
            fy += own[e] * (y - z[2 * (size_t)other[e] + 1]);
        }
        for (int64_t e = s->start[i]; e < s->start[i + 1]; e++) {
            const size_t j = (size_t)s->end[e].row;
            const float  k = s->stiffness[s->end[e].spring];
            fx += k * (x - z[2 * j]);
            fy += k * (y - z[2 * j + 1]);
        }
        f[2 * i]     = fx;
        f[2 * i + 1] = fy;
    }
}

NE_CLONES static void trimap_gather_space(const trimap_state *s, size_t c, const float *restrict z, size_t row0,
                                          size_t row1, float *restrict f)
{
    for (size_t i = row0; i < row1; i++) {
        const int32_t *other = s->other + i * s->springs;
        const float   *own = s->stiffness + i * s->springs, *zi = z + i * c;
        float         *to = f + i * c;
        for (size_t d = 0; d < c; d++) to[d] = 0;
        for (size_t e = 0; e < s->springs; e++)
            for (size_t d = 0; d < c; d++) to[d] += own[e] * (zi[d] - z[(size_t)other[e] * c + d]);
        for (int64_t e = s->start[i]; e < s->start[i + 1]; e++) {
            const float *zj = z + (size_t)s->end[e].row * c;
            const float  k  = s->stiffness[s->end[e].spring];
            for (size_t d = 0; d < c; d++) to[d] += k * (zi[d] - zj[d]);
        }
    }
}

static ne_status trimap_gradient(const void *params, const ne_problem *problem, void *state, const float *z,
                                 size_t row0, size_t row1, float *gradient)
{
    (void)params;
    if (problem->c == 2) trimap_gather_plane(state, z, row0, row1, gradient);
    else trimap_gather_space(state, problem->c, z, row0, row1, gradient);
    return NE_OK;
}

static double length_squared_plus_1(const float *z, size_t c, size_t i, size_t j)
{
    double s = 1;
    for (size_t d = 0; d < c; d++) {
        const double t = (double)z[i * c + d] - (double)z[j * c + d];
        s += t * t;
    }
    return s;
}

static ne_status trimap_loss(const void *params, const ne_problem *problem, void *state, const float *z, size_t row0,
                             size_t row1, double *loss)
{
    const trimap_state *s = state;
    const size_t        c = problem->c;
    (void)params;
    for (size_t i = row0; i < row1; i++)
        for (size_t t = 0; t < s->triplets; t++) {
            const size_t   random = s->inliers * s->outliers;
            const size_t   g      = t < random ? t / s->outliers : s->inliers + (t - random);
            const int32_t *other  = s->other + i * s->springs;
            const double   near   = length_squared_plus_1(z, c, i, (size_t)other[g]);
            const double   far    = length_squared_plus_1(z, c, i, (size_t)other[s->near + t]);
            *loss += (double)s->weight[i * s->triplets + t] * near / (near + far);
        }
    return NE_OK;
}

static void trimap_clear(ne_context *context, void *state)
{
    trimap_state *s = state;
    ne_release(context, s->other);
    ne_release(context, s->weight);
    ne_release(context, s->stiffness);
    ne_release(context, s->scratch);
    ne_release(context, s->start);
    ne_release(context, s->end);
    *s = (trimap_state){0};
}

double trimap_bytes(const ne_problem *problem, const void *state, double *kept)
{
    const trimap_state *s = state;
    const double        n = (double)problem->n, springs = (double)s->springs, inliers = (double)s->inliers;
    *kept = n * ((springs + 1) * (sizeof(int32_t) + sizeof(float)) + ((double)s->triplets + 1) * sizeof(float) +
                 springs * sizeof(spring_end) + sizeof(int64_t));
    const double from = n * (sizeof(double) + (inliers + 1) * (sizeof(double) + sizeof(int32_t)) + sizeof(int32_t));
    return *kept + from + n * sizeof(int64_t) + rows_bytes(problem, 0);
}

const ne_method_ops method_trimap = {
    .struct_size          = sizeof(ne_method_ops),
    .name                 = "trimap",
    .help                 = "TriMap: triplets of a row, a near one and a far one, for the global picture",
    .options              = trimap_options,
    .option_count         = sizeof trimap_options / sizeof *trimap_options,
    .option_size          = sizeof(ne_option),
    .presets              = trimap_presets,
    .preset_count         = sizeof trimap_presets / sizeof *trimap_presets,
    .params_size          = sizeof(trimap_params),
    .state_size           = sizeof(trimap_state),
    .plan                 = trimap_plan,
    .neighbors            = trimap_neighbors,
    .on_affinity_computed = trimap_triplets,
    .on_step_begin        = trimap_begin,
    .before_gradient      = trimap_before,
    .attractive_gradient  = trimap_gradient,
    .attractive_loss      = trimap_loss,
    .clear                = trimap_clear,
};

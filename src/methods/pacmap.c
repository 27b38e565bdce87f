/* methods/pacmap.c: PaCMAP (Wang, Huang, Rudin & Shaposhnik, JMLR 2021).
 *
 *     L_att = w_near sum_near d / (10 + d) + w_mid sum_mid d / (10000 + d),   L_rep = sum_far 1 / (1 + d),
 *     d = 1 + |z_i - z_j|^2
 *
 * Each row draws its pairs before the first step:
 *   near      the n_neighbors with the smallest |x_i - x_j|^2 / (r_i r_j) among its n_neighbors + 50 nearest, r_i the mean
 *             distance to the 4th, 5th and 6th: in sparse regions distances count for less
 *   mid-near  the second nearest of six rows drawn at random, again and again: they hold the picture together at large
 *   far       rows drawn at random: those at fixed rotations of a random circle if there are many rows (circle_links.h)
 * Three phases of weights: global structure first (w_mid falls from 1000 to 3), then 3 and 3, then near pairs alone.
 *
 * reference = torchdr draws mid-near and far pairs anew at every step, with replacement; it truncates their numbers, its
 * weights are those of the step before, and it has no use for fewer than n_neighbors + 52 rows. */
#include "methods/pacmap.h"

#include "methods/methods.h"
#include "methods/scaled.h"

#include <math.h>
#include <omp.h>
#include <stdint.h>

enum {
    EXTRA      = 50, /* neighbors to choose the near pairs from, beyond n_neighbors */
    CANDIDATES = 6   /* for a mid-near pair */
};

static const ne_option pacmap_options[] = {PACMAP_OPTIONS};
static const ne_preset pacmap_presets[] = {PACMAP_PRESETS};

/* --- How many pairs ---------------------------------------------------------------------------------------------- */

static size_t near_pairs(const pacmap_params *p, size_t n)
{
    const double at_scale = n > 10000 ? round(10 + 15 * (log10((double)n) - 4)) : 10;
    const size_t want     = p->n_neighbors == INT64_MIN ? (size_t)at_scale : (size_t)p->n_neighbors;
    return want < n - 1 ? want : n - 1;
}

static size_t drawn_pairs(double ratio, size_t near, size_t n, int reference)
{
    const double want = ratio * (double)near;
    const size_t take = (size_t)(reference ? floor(want) : round(want));
    return reference || take < n - 1 ? take : n - 1;
}

size_t pacmap_neighbors(const void *params, size_t n)
{
    return near_pairs(params, n) + EXTRA;
}

ne_status pacmap_plan(const void *params, const ne_problem *problem, void *state, ne_terms *terms)
{
    const pacmap_params *p = params;
    pacmap_state        *s = state;
    const size_t         n = problem->n;

    if (problem->reference && n < pacmap_neighbors(p, n) + 2)
        return ne_fail(NE_OUT_OF_RANGE, "n_neighbors: the reference needs n_neighbors + 52 rows, x has %zu", n);
    s->near_count = near_pairs(p, n);
    s->mid_count  = drawn_pairs(p->mid_near_ratio, s->near_count, n, problem->reference);
    s->far_count  = drawn_pairs(p->far_ratio, s->near_count, n, problem->reference);
    if (s->mid_count && !problem->x)
        return problem->sparse
                   ? ne_fail(NE_UNSUPPORTED, "x: mid-near pairs are chosen by distances in it, and it is sparse; "
                                             "mid_near_ratio = 0 has none")
                   : ne_fail(NE_INVALID_ARGUMENT,
                             "x: mid-near pairs are chosen by distances in it, and only a graph was given");
    if (!problem->metric) return NE_UNKNOWN_NAME; /* the text is the registry's */
    terms->negatives  = !problem->reference && circle_links_pay(problem, s->far_count) ? (int64_t)s->far_count : 0;
    terms->keep_order = 1;
    terms->repulsion  = NE_REPULSION_NONE;
    return NE_OK;
}

/* --- Near pairs -------------------------------------------------------------------------------------------------- */

static ne_status make_near(const ne_problem *problem, pacmap_state *s)
{
    const size_t n        = problem->n;
    double      *radius   = ne_allocate(problem->context, n, sizeof *radius);
    double      *distance = ne_allocate(problem->context, n, s->near_count * sizeof *distance);
    /* The reference takes every metric for a squared distance. */
    const int squared = problem->reference || strcmp(problem->metric->name, "sqeuclidean") == 0;
    ne_status st      = radius && distance ? NE_OK : NE_OUT_OF_MEMORY;

    if (st == NE_OK) {
        scaled_radii(problem, squared, 3, radius);
        for (size_t i = 0; !problem->reference && i < n; i++) radius[i] = fmax(radius[i], 1e-10);
        scaled_nearest(problem, squared, radius, s->near_count, s->near_row, distance);
        st = links_join(problem->context, n, s->near_count, s->near_row, s->place, &s->near);
    }
    ne_release(problem->context, radius);
    ne_release(problem->context, distance);
    return st;
}

/* --- Pairs drawn at random --------------------------------------------------------------------------------------- */

/* The second nearest of a few candidates to row i, the nearest of one, NO_PARTNER of none. */
static int32_t second_nearest(const data_rows *rows, size_t i, const int32_t *candidate, size_t count)
{
    double  first = INFINITY, second = INFINITY;
    int32_t nearest = NO_PARTNER, next = NO_PARTNER;
    for (size_t q = 0; q < count; q++) {
        const double d = rows_distance(rows, i, (size_t)candidate[q]);
        if (d < first || nearest == NO_PARTNER) {
            second  = first;
            next    = nearest;
            first   = d;
            nearest = candidate[q];
        } else if (d < second || next == NO_PARTNER) {
            second = d;
            next   = candidate[q];
        }
    }
    return next == NO_PARTNER ? nearest : next;
}

/* Candidates of a slot are distinct, and not among the partners of earlier slots. */
static void draw_mid(const pacmap_state *s, const ne_problem *problem, uint32_t step, size_t row, int32_t *scratch)
{
    const size_t n = problem->n, i = (size_t)problem->order[row];
    int32_t     *to = s->mid_row + row * s->mid_count;
    int32_t      candidate[CANDIDATES];
    uint32_t     word[4];

    for (size_t slot = 0; slot < s->mid_count; slot++) {
        excluded out   = {.row = scratch};
        size_t   count = 0;
        excluded_add(&out, (int32_t)i);
        for (size_t q = 0; q < slot; q++)
            if (to[q] != NO_PARTNER) excluded_add(&out, to[q]);
        for (uint32_t q = 0; q < CANDIDATES; q++) {
            ne_draw(problem, step, i, (uint32_t)slot * CANDIDATES + q, word);
            if (problem->reference) {
                const size_t u     = 1 + (size_t)random_below(word[0], word[1], n - 2);
                candidate[count++] = (int32_t)(u + (i <= u));
            } else {
                const int32_t drawn = excluded_draw(&out, n, word);
                if (drawn == NO_PARTNER) break;
                excluded_add(&out, drawn);
                candidate[count++] = drawn;
            }
        }
        to[slot] = second_nearest(&s->rows, i, candidate, count);
    }
}

/* The partners that the circle gives to a row, NO_PARTNER where one is excluded; the others are so too from here on.
 * Returns whether none was. */
static int take_around(const pacmap_state *s, const ne_problem *problem, size_t row, excluded *out, int32_t *to)
{
    int whole = 1;
    for (size_t slot = 0; slot < s->far_count; slot++) {
        const int32_t given = circle_links_partner(&s->around, problem, row, slot);
        size_t        at    = 0;
        while (at < out->count && out->row[at] != given) at++;
        to[slot] = at == out->count ? given : NO_PARTNER;
        whole &= at == out->count;
    }
    for (size_t slot = 0; slot < s->far_count && !whole; slot++)
        if (to[slot] != NO_PARTNER) excluded_add(out, to[slot]);
    return whole;
}

static void draw_far(const pacmap_params *p, const pacmap_state *s, const ne_problem *problem, uint32_t step,
                     size_t row, int32_t *scratch)
{
    const size_t   i    = (size_t)problem->order[row];
    const int32_t *near = s->near_row + row * s->near_count;
    int32_t       *to   = s->far_row + row * s->far_count;
    excluded       out  = {.row = scratch};

    excluded_add(&out, (int32_t)i);
    for (size_t q = 0; p->exclude_neighbors && q < s->near_count; q++)
        if (near[q] != NO_PARTNER) excluded_add(&out, near[q]);
    if (s->around.count && take_around(s, problem, row, &out, to)) return;
    for (size_t slot = 0; slot < s->far_count; slot++) {
        if (s->around.count && to[slot] != NO_PARTNER) continue;
        const random_block b     = random_draw(problem->seed, STREAM_NEGATIVE, step, i, (uint32_t)slot);
        const int32_t      drawn = excluded_draw(&out, problem->n, b.word);
        if (drawn != NO_PARTNER && !problem->reference) excluded_add(&out, drawn);
        to[slot] = drawn;
    }
}

static ne_status draw_pairs(const pacmap_params *p, const ne_problem *problem, pacmap_state *s, uint32_t step,
                            int with_mid)
{
    ne_context  *context = problem->context;
    const size_t n       = problem->n;
    const size_t room    = 1 + CANDIDATES + s->near_count + s->mid_count + s->far_count;
    int32_t     *scratch = ne_allocate(context, (size_t)problem->threads * room, sizeof *scratch);
    ne_status    st      = scratch ? NE_OK : NE_OUT_OF_MEMORY;

    if (st == NE_OK) {
#pragma omp parallel for schedule(static) num_threads(problem->threads)
        for (size_t i = 0; i < n; i++) {
            int32_t *own = scratch + (size_t)omp_get_thread_num() * room;
            if (with_mid) draw_mid(s, problem, step, i, own);
            draw_far(p, s, problem, step, i, own);
        }
        if (with_mid) st = links_join(context, n, s->mid_count, s->mid_row, s->place, &s->mid);
        if (st == NE_OK && s->around.count) st = circle_links_mend(problem, s->far_row, s->place, &s->around);
        else if (st == NE_OK) st = links_join(context, n, s->far_count, s->far_row, s->place, &s->far);
    }
    ne_release(context, scratch);
    return st;
}

ne_status pacmap_pairs(const void *params, const ne_problem *problem, void *state)
{
    pacmap_state *s       = state;
    ne_context   *context = problem->context;
    const size_t  n       = problem->n;
    ne_status     st      = NE_OK;

    if (!problem->distances)
        return ne_fail(NE_UNSUPPORTED, "graph: near pairs are chosen by distances, and an affinity has none");
    s->near_row = ne_allocate(context, n, s->near_count * sizeof *s->near_row);
    s->mid_row  = ne_allocate(context, n, (s->mid_count + 1) * sizeof *s->mid_row);
    s->far_row  = ne_allocate(context, n, (s->far_count + 1) * sizeof *s->far_row);
    s->place    = ne_allocate(context, n, sizeof *s->place);
    if (!s->near_row || !s->mid_row || !s->far_row || !s->place) return NE_OUT_OF_MEMORY;
    for (size_t r = 0; r < n; r++) s->place[problem->order[r]] = (int32_t)r;
    if (problem->circle && (st = circle_links_make(problem, s->far_count, &s->around)) != NE_OK) return st;
    if (s->mid_count && (st = rows_open(problem, problem->reference, &s->rows)) != NE_OK) return st;
    st = make_near(problem, s);
    if (st == NE_OK && !problem->reference) {
        st = draw_pairs(params, problem, s, 0, 1);
        rows_close(context, &s->rows);
    }
    return st;
}

/* --- Steps ------------------------------------------------------------------------------------------------------- */

ne_status pacmap_begin(const void *params, const ne_problem *problem, void *state, int64_t step, ne_terms *terms)
{
    const pacmap_params *p = params;
    pacmap_state        *s = state;
    const int64_t        t = step - (problem->reference ? 1 : 0), length = p->iter_per_phase;
    ne_status            st = NE_OK;
    (void)terms;

    s->far_weight = 1;
    if (t < length) {
        s->near_weight = 2;
        s->mid_weight  = 1000 * (1 - (double)t / (double)length) + 3 * (double)t / (double)length;
    } else if (t < 2 * length) {
        s->near_weight = 3;
        s->mid_weight  = 3;
    } else {
        s->near_weight = 1;
        s->mid_weight  = 0;
    }
    if (problem->reference) { /* there it is a float, rounded at each operation */
        const float fall = 1 - (float)t / (float)length, rise = (float)(3 * t) / (float)length;
        if (t < length) s->mid_weight = (double)(1000 * fall + rise);
        st = draw_pairs(p, problem, s, (uint32_t)step, s->mid_count && s->mid_weight > 0);
    }
    return st;
}

static link_force far_force(const pacmap_state *s)
{
    return (link_force){(float)(-2 * s->far_weight), 2, 0};
}

ne_status pacmap_before(const void *params, const ne_problem *problem, void *state, int64_t step, const float *z,
                        ne_terms *terms)
{
    pacmap_state *s = state;
    (void)params;
    (void)step;
    (void)terms;
    if (s->around.count) circle_links_pull(problem, far_force(s), z, &s->around);
    return NE_OK;
}

ne_status pacmap_attract(const void *params, const ne_problem *problem, void *state, const float *z, size_t row0,
                         size_t row1, float *gradient)
{
    const pacmap_state *s    = state;
    const link_force    near = {(float)(20 * s->near_weight), 11, (float)s->reach};
    const link_force    mid  = {(float)(20000 * s->mid_weight), 10001, 0};
    (void)params;
    links_pull(&s->near, near, problem->c, z, row0, row1, 0, gradient);
    if (s->mid_count && s->mid_weight > 0) links_pull(&s->mid, mid, problem->c, z, row0, row1, 1, gradient);
    return NE_OK;
}

ne_status pacmap_repulse(const void *params, const ne_problem *problem, void *state, const float *z, size_t row0,
                         size_t row1, float *gradient)
{
    const pacmap_state *s = state;
    (void)params;
    if (s->around.count) circle_links_read(problem, far_force(s), &s->around, z, row0, row1, gradient);
    else links_pull(&s->far, far_force(s), problem->c, z, row0, row1, 0, gradient);
    return NE_OK;
}

/* --- Losses ------------------------------------------------------------------------------------------------------ */

static double attractive_energy(double s, double shift)
{
    return (1 + s) / (shift + 1 + s);
}

/* Its slope in z is the near force times reach / sqrt(d); parameter is reach. */
static double local_energy(double s, double reach)
{
    const double d = 1 + s;
    return reach * (sqrt(d) / (10 + d) + atan(sqrt(d / 10)) / sqrt(10.0));
}

static double repulsive_energy(double s, double shift)
{
    return 1 / (shift + s);
}

/* Of the pairs that rows [row0, row1) have drawn. */
static double far_energy(const pacmap_state *s, size_t c, const float *z, size_t row0, size_t row1)
{
    double sum = 0;
    for (size_t i = row0; i < row1; i++)
        for (size_t slot = 0; slot < s->far_count; slot++) {
            const int32_t partner = s->far_row[i * s->far_count + slot];
            if (partner == NO_PARTNER) continue;
            const size_t j      = (size_t)s->place[partner];
            double       square = 0;
            for (size_t d = 0; d < c; d++) {
                const double t = (double)z[i * c + d] - (double)z[j * c + d];
                square += t * t;
            }
            sum += repulsive_energy(square, 2);
        }
    return sum;
}

ne_status pacmap_attract_loss(const void *params, const ne_problem *problem, void *state, const float *z, size_t row0,
                              size_t row1, double *loss)
{
    const pacmap_state *s = state;
    const size_t        c = problem->c;
    (void)params;
    *loss += s->near_weight * (s->reach > 0 ? links_energy(&s->near, c, z, row0, row1, local_energy, s->reach)
                                            : links_energy(&s->near, c, z, row0, row1, attractive_energy, 10));
    if (s->mid_count && s->mid_weight > 0)
        *loss += s->mid_weight * links_energy(&s->mid, c, z, row0, row1, attractive_energy, 10000);
    return NE_OK;
}

ne_status pacmap_repulse_loss(const void *params, const ne_problem *problem, void *state, const float *z, size_t row0,
                              size_t row1, double *loss)
{
    const pacmap_state *s = state;
    (void)params;
    if (s->around.count) *loss += s->far_weight * far_energy(s, problem->c, z, row0, row1);
    else *loss += s->far_weight * links_energy(&s->far, problem->c, z, row0, row1, repulsive_energy, 2);
    return NE_OK;
}

void pacmap_clear(ne_context *context, void *state)
{
    pacmap_state *s = state;
    links_clear(context, &s->near);
    links_clear(context, &s->mid);
    links_clear(context, &s->far);
    circle_links_clear(context, &s->around);
    ne_release(context, s->near_row);
    ne_release(context, s->mid_row);
    ne_release(context, s->far_row);
    ne_release(context, s->place);
    rows_close(context, &s->rows);
    *s = (pacmap_state){0};
}

double pacmap_bytes(const ne_problem *problem, const void *state, int redraws, double *kept)
{
    const pacmap_state *s = state;
    const double        n = (double)problem->n, near = (double)s->near_count, mid = (double)s->mid_count,
                 far    = (double)s->far_count;
    const double rows   = n * (near + mid + 1 + far + 1 + 1) * sizeof(int32_t);
    const double data   = problem->reference ? rows_bytes(problem, 1) : 0; /* kept from step to step */
    const int    around = !redraws && !problem->reference && circle_links_pay(problem, s->far_count);
    *kept               = rows + data + links_bytes(n, near) + links_bytes(n, mid) +
            (around ? circle_links_bytes(n, far) : links_bytes(n, far));
    const double nearest = n * (1 + near) * sizeof(double); /* radii and distances, while near pairs are chosen */
    return fmax(*kept + links_join_bytes(n), rows + nearest + links_bytes(n, near) + links_join_bytes(n)) +
           rows_bytes(problem, 0);
}

const ne_method_ops method_pacmap = {
    .struct_size          = sizeof(ne_method_ops),
    .name                 = "pacmap",
    .help                 = "PaCMAP: near, mid-near and far pairs, in three phases from global to local structure",
    .options              = pacmap_options,
    .option_count         = sizeof pacmap_options / sizeof *pacmap_options,
    .option_size          = sizeof(ne_option),
    .presets              = pacmap_presets,
    .preset_count         = sizeof pacmap_presets / sizeof *pacmap_presets,
    .params_size          = sizeof(pacmap_params),
    .state_size           = sizeof(pacmap_state),
    .plan                 = pacmap_plan,
    .neighbors            = pacmap_neighbors,
    .on_affinity_computed = pacmap_pairs,
    .on_step_begin        = pacmap_begin,
    .before_gradient      = pacmap_before,
    .attractive_gradient  = pacmap_attract,
    .repulsive_gradient   = pacmap_repulse,
    .attractive_loss      = pacmap_attract_loss,
    .repulsive_loss       = pacmap_repulse_loss,
    .clear                = pacmap_clear,
};

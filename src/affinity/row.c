/* affinity/row.c: see row.h. */
#include "affinity/row.h"

#include "base/clones.h"
#include "cpu/elementary.h"
#include "cpu/vector_exp.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum {
    SIDE = 8, /* sums side by side: their order is fixed */
    TILE = 512,
    FEW  = 64 /* smallest distances that are kept in order */
};

NE_CLONES static void row_add_exponentials(size_t count, const float *restrict distances, double nearest, double beta,
                                           row_sums *restrict sums)
{
    double s[SIDE] = {0}, d[SIDE] = {0}, dd[SIDE] = {0};
    size_t j = 0;
    for (; j + SIDE <= count; j += SIDE) {
#pragma omp simd
        for (int l = 0; l < SIDE; l++) {
            const double D = (double)distances[j + (size_t)l] - nearest, safe = D > 0 ? D : 0;
            const double e = vector_exp(-beta * safe);
            s[l] += e;
            d[l] += e * safe;
            dd[l] += e * safe * safe;
        }
    }
    for (int l = 0; j < count; j++, l++) {
        const double D = (double)distances[j] - nearest, safe = D > 0 ? D : 0;
        const double e = vector_exp(-beta * safe);
        s[l] += e;
        d[l] += e * safe;
        dd[l] += e * safe * safe;
    }
    for (int l = 0; l < SIDE; l++) {
        sums->s += s[l];
        sums->d += d[l];
        sums->dd += dd[l];
    }
}

/* The row's own term, which is at least as far as the nearest that counts, is taken off again. */
row_sums row_exponentials(const row_view *r, double nearest, double beta)
{
    row_sums sums = {0, 0, 0};
    row_add_exponentials(r->count, r->distances, nearest, beta, &sums);
    if (r->self < r->count) {
        const double D = fmax((double)r->distances[r->self] - nearest, 0), e = vector_exp(-beta * D);
        sums.s -= e;
        sums.d -= e * D;
        sums.dd -= e * D * D;
    }
    return sums;
}

/* count is a multiple of LANES. */
NE_CLONES static void row_add_rough(size_t count, const float *restrict distances, float nearest, float beta,
                                    row_sums *restrict sums)
{
    const lanes none = lanes_all(0);
    lanes       s = none, d = none, dd = none;
    for (size_t j = 0; j < count; j += LANES) {
        const lanes raw = lanes_load(distances + j) - nearest;
        const lanes D = (lanes)((lanes_int)raw & (raw > none)), e = elementary_exp(-beta * D), eD = e * D;
        s += e;
        d += eD;
        dd += eD * D;
    }
    for (int l = 0; l < LANES; l++) {
        sums->s += (double)s[l];
        sums->d += (double)d[l];
        sums->dd += (double)dd[l];
    }
}

static void add_rough(size_t count, const float *distances, double nearest, double beta, row_sums *sums)
{
    const size_t whole = count / LANES * LANES;
    for (size_t j = 0; j < whole; j += TILE)
        row_add_rough(whole - j < TILE ? whole - j : TILE, distances + j, (float)nearest, (float)beta, sums);
    row_add_exponentials(count - whole, distances + whole, nearest, beta, sums);
}

row_sums row_exponentials_rough(const row_view *r, double nearest, double beta)
{
    row_sums     sums  = {0, 0, 0};
    const size_t first = r->self < r->count ? r->self : r->count;
    add_rough(first, r->distances, nearest, beta, &sums);
    if (first < r->count) add_rough(r->count - first - 1, r->distances + first + 1, nearest, beta, &sums);
    return sums;
}

/* In eights through a buffer, since values may be distances. */
NE_CLONES static void row_write_exponentials(size_t count, const float *distances, double nearest, double beta,
                                             double scale, float *values)
{
    for (size_t j = 0; j < count; j += SIDE) {
        const size_t part       = count - j < SIDE ? count - j : SIDE;
        float        take[SIDE] = {0}, give[SIDE];
        memcpy(take, distances + j, part * sizeof *take);
#pragma omp simd
        for (int l = 0; l < SIDE; l++) {
            const double D = (double)take[l] - nearest, safe = D > 0 ? D : 0;
            give[l] = (float)(scale * vector_exp(-beta * safe));
        }
        memcpy(values + j, give, part * sizeof *give);
    }
}

void row_weights(size_t count, const float *distances, double nearest, double beta, double scale, float *values)
{
    row_write_exponentials(count, distances, nearest, beta, scale, values);
}

NE_CLONES static size_t row_count_up_to(size_t count, const float *restrict distances, float limit)
{
    size_t total = 0;
    for (size_t j = 0; j < count; j += 65536) { /* a 32-bit count vectorises as wide as the floats do */
        const size_t end  = count - j < 65536 ? count : j + 65536;
        int32_t      here = 0;
        for (size_t k = j; k < end; k++) here += distances[k] <= limit;
        total += (size_t)here;
    }
    return total;
}

NE_CLONES static float row_least(size_t count, const float *restrict distances, float least)
{
    enum {
        LANE_COUNT = 16
    };
    float  side[LANE_COUNT];
    size_t j = 0;
    for (size_t k = 0; k < LANE_COUNT; k++) side[k] = INFINITY;
    for (; j + LANE_COUNT <= count; j += LANE_COUNT)
        for (size_t k = 0; k < LANE_COUNT; k++) side[k] = distances[j + k] < side[k] ? distances[j + k] : side[k];
    for (size_t k = 0; k < LANE_COUNT; k++) least = side[k] < least ? side[k] : least;
    for (; j < count; j++) least = distances[j] < least ? distances[j] : least;
    return least;
}

row_nearest row_find_nearest(const row_view *r)
{
    const size_t first = r->self < r->count ? r->self : r->count;
    row_nearest  found = {row_least(first, r->distances, INFINITY), 0};
    if (first < r->count) found.distance = row_least(r->count - first - 1, r->distances + first + 1, found.distance);
    found.tied = row_count_up_to(r->count, r->distances, found.distance);
    if (first < r->count) found.tied -= r->distances[first] <= found.distance;
    return found;
}

const char *const row_dual_names[ROW_DUALS] = {"nearest", "bandwidth", "mass"};

/* With the numbers of column j. */
NE_CLONES static void row_write_across(size_t n, const float *restrict distances, const double *restrict dual,
                                       float *restrict values)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++) {
        const double D = (double)distances[j] - dual[j * ROW_DUALS], safe = D > 0 ? D : 0;
        const double width = dual[j * ROW_DUALS + 1] > 1e-300 ? dual[j * ROW_DUALS + 1] : 1e-300;
        values[j]          = (float)(vector_exp(-safe / width) / dual[j * ROW_DUALS + 2]);
    }
}

void row_values(size_t n, size_t self, int across, const float *distances, const double *dual, float *values)
{
    const double *own = dual + self * ROW_DUALS;
    if (across) row_write_across(n, distances, dual, values);
    else row_weights(n, distances, own[0], row_precision(own[1]), 1 / own[2], values);
}

double row_precision(double bandwidth)
{
    return bandwidth > 1e-300 ? 1 / bandwidth : 1e300;
}

/* The bits of a float as an integer that orders as the float does; -0 and 0 differ by one. */
static int32_t order_of(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits < 0 ? bits ^ INT32_MAX : bits;
}

static float float_of(int32_t order)
{
    const int32_t bits = order < 0 ? order ^ INT32_MAX : order;
    float         x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The k smallest of all but self so far, ascending; a group without a smaller one than the last of them is passed over. */
NE_CLONES static float row_keep_smallest(size_t count, const float *restrict distances, size_t self, size_t k,
                                         float *restrict least)
{
    enum {
        GROUP = 64
    };
    size_t i = 0;
    do least[i] = INFINITY;
    while (++i < k);
    for (size_t j = 0; j < count; j += GROUP) {
        const size_t end  = count - j < GROUP ? count : j + GROUP;
        int32_t      some = 0;
        for (size_t e = j; e < end; e++) some |= distances[e] < least[k - 1];
        for (size_t e = j; some && e < end; e++) {
            const float d  = distances[e];
            size_t      at = k - 1;
            if (!(d < least[at]) || e == self) continue;
            for (; at > 0 && d < least[at - 1]; at--) least[at] = least[at - 1];
            least[at] = d;
        }
    }
    return least[k - 1];
}

float row_kth_smallest(const row_view *r, size_t k)
{
    float least[FEW];
    if (k <= FEW) return row_keep_smallest(r->count, r->distances, r->self, k, least);
    int64_t low = order_of(-INFINITY), high = order_of(INFINITY);
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        const float   limit  = float_of((int32_t)middle);
        const size_t  own    = r->self < r->count && r->distances[r->self] <= limit;
        if (row_count_up_to(r->count, r->distances, limit) - own >= k) high = middle;
        else low = middle + 1;
    }
    return float_of((int32_t)low);
}

ne_status row_scale(const row_view *r, size_t row, size_t k, double *scale)
{
    const float nearest = row_find_nearest(r).distance;
    if (nearest < 0)
        return ne_fail(NE_INVALID_ARGUMENT, "metric: row %zu has distance %g to another, a scale takes none below 0",
                       row, (double)nearest);
    *scale = (double)row_kth_smallest(r, k);
    return NE_OK;
}

int row_search_step(row_search *search, double f, double slope, double *u)
{
    double step = slope > 0 ? -f / slope : f > 0 ? -3.0 : 3.0, next;
    if (f < 0) search->low = *u;
    else search->high = *u;
    step = step > 3 ? 3 : step < -3 ? -3 : step;
    next = *u + step;
    /* Half of the bracket at most: steps from end to end would leave it as it is. */
    if (next <= search->low || next >= search->high || fabs(step) > (search->high - search->low) / 2)
        next = isinf(search->high)  ? search->low + 3
               : isinf(search->low) ? search->high - 3
                                    : (search->low + search->high) / 2;
    const int moved = next != *u;
    *u              = next;
    return moved;
}

/* --- Affinities of such rows -------------------------------------------------------------------------------------- */

void row_rule_weights(row_rule rule, const void *params, size_t count, const float *distances, float *values,
                      double *bandwidth)
{
    const row_view r = {count, distances, count};
    double         dual[ROW_DUALS];
    rule(params, &r, dual);
    *bandwidth = dual[1];
    row_weights(count, distances, dual[0], row_precision(dual[1]), 1 / dual[2], values);
}

typedef struct solve_job {
    row_rule    rule;
    const void *params;
    int         zero_diag;
    double     *dual;
    size_t      n;
} solve_job;

static ne_status solve_row(void *user, size_t self, const float *distances)
{
    const solve_job *job = user;
    const row_view   r   = {job->n, distances, job->zero_diag ? self : job->n};
    job->rule(job->params, &r, job->dual + self * ROW_DUALS);
    return NE_OK;
}

ne_status row_rule_solve(row_rule rule, const void *params, int zero_diag, const ne_pairs *pairs, ne_solution *solution)
{
    solve_job job = {rule, params, zero_diag, solution->dual, ne_pairs_rows(pairs)};
    return ne_pairs_visit(pairs, solve_row, &job);
}

ne_status row_rule_rows(int zero_diag, size_t n, size_t self, int32_t across, const float *distances,
                        const double *dual, float *values)
{
    row_values(n, self, across, distances, dual, values);
    if (zero_diag) values[self] = 0;
    return NE_OK;
}

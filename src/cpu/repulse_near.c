/* cpu/repulse_near.c: see repulse_near.h.
 *
 * Points are sorted into rows R wide (stacks of R by R, in three dimensions), and along these into cells of R / FINE. Eight
 * points that follow each other in a row are the targets, one to a lane; what is near them is one stretch of their own row
 * and of each row beside it, and is broadcast source by source: no sum over lanes, and nothing to mask.
 *
 * Coordinates are in units of sqrt(1 + R^2): with q = q0 - d^2, q0 = R^2 / (1 + R^2), t = max(q, 0), k = 1 / (1 - q),
 *     N = t^p k / (1 + R^2)    -dN/ds = t^(p - 1) k (t k + p) / (1 + R^2)^2.
 * Sources beyond R give exact zeros. A point is its own source, too: no force, and the known N(0).
 *
 * Sorting: each block of points counts its rows, and then puts each point where the blocks before it leave off; a row is
 * then sorted by cell alone. Nothing depends on which thread does what.
 *
 * Cost: 14 vector operations and a division for eight pairs, 0.2 ns a pair, of which more than half lie outside R; 20 ns a
 * point, half of them for sorting. Finished layouts of 10,000 points take 34 ns a point with R = 4 in two dimensions, of
 * 70,000 with R = 2.5 as many. */
#include "cpu/repulse_near.h"

#include "cpu/lanes.h"

#include <math.h>
#include <string.h>

enum {
    FINE      = 4,
    RUNS      = 4,
    BLOCK     = 4096,
    ROWS_MOST = 2048,
    AXES      = 3,
};

_Static_assert(NEAR_POWER == 4, "near_pairs() has it built in");

double near_far_value(double radius, double s)
{
    const double square = radius * radius, q = (square - s) / (1 + square);
    double       sum = 0;
    if (q <= 0) return 1 / (1 + s);
    for (int k = 0; k < NEAR_POWER; k++) sum = sum * q + 1;
    return sum / (1 + square);
}

/* --- Cells -------------------------------------------------------------------------------------------------------- */

typedef struct cell_rule {
    size_t side[AXES]; /* how many along each axis; 1 beyond the axes but the last is always side[2] */
    size_t rows, columns;
    double width[AXES];
    float  low[AXES], per_cell[AXES];
} cell_rule;

/* Rows at least `width` wide, and cells in them at least a `fine`th of it, of which there are not too many. */
static cell_rule cells_for(const repulse_near *near, const box *around, double width, double fine)
{
    cell_rule made;
    for (double most = (double)near->cells_most;; width *= 1.25) {
        double rows = 1, columns = 1;
        made = (cell_rule){.side = {1, 1, 1}};
        for (int a = 0; a < near->axes; a++) {
            made.width[a]     = a < near->axes - 1 ? width : width / fine;
            const double side = floor(((double)around->high[a] - (double)around->low[a]) / made.width[a]) + 2;
            made.low[a]       = around->low[a];
            made.per_cell[a]  = (float)(1 / made.width[a]);
            if (a < near->axes - 1) rows *= side;
            else columns = side;
            made.side[a] = side < most ? (size_t)side : near->cells_most;
        }
        if (rows > ROWS_MOST || rows * (columns + 1) > most) continue;
        made.rows    = (size_t)rows;
        made.columns = (size_t)columns;
        return made;
    }
}

NE_INLINE int32_t cell_along(const cell_rule *rule, const float *z, int axis)
{
    return (int32_t)((z[axis] - rule->low[axis]) * rule->per_cell[axis]);
}

NE_INLINE uint32_t row_of(const cell_rule *rule, const float *z, int axes)
{
    const int32_t first = cell_along(rule, z, 0);
    return (uint32_t)(axes == 2 ? first : first * (int32_t)rule->side[1] + cell_along(rule, z, 1));
}

void repulse_near_density(const repulse_near *near, const box *around, const float *z, const double *radius,
                          size_t count, double *candidates)
{
    const cell_rule rule = cells_for(near, around, 1.5, 1);
    const size_t    axes = (size_t)near->axes, columns = rule.columns;
    memset(near->cell, 0, rule.rows * columns * sizeof *near->cell);
    for (size_t i = 0; i < near->n; i++) {
        const float *p = z + i * axes;
        near->cell[row_of(&rule, p, near->axes) * columns + (size_t)cell_along(&rule, p, near->axes - 1)]++;
    }
    for (size_t r = 0; r < count; r++) {
        /* As many as in boxes that wide, from the point of view of those in them. */
        const double wide = 3 * radius[r];
        const size_t step = wide > rule.width[0] ? (size_t)(wide / rule.width[0] + 0.5) : 1;
        const size_t deep = near->axes == 3 ? step : 1, depth = near->axes == 3 ? rule.side[1] : 1;
        double       sum = 0, volume = 1;
        for (size_t i = 0; i < rule.side[0]; i += step)
            for (size_t j = 0; j < depth; j += deep)
                for (size_t k = 0; k < columns; k += step) {
                    double held = 0;
                    for (size_t u = i; u < i + step && u < rule.side[0]; u++)
                        for (size_t v = j; v < j + deep && v < depth; v++)
                            for (size_t w = k; w < k + step && w < columns; w++)
                                held += near->cell[(u * depth + v) * columns + w];
                    sum += held * held;
                }
        for (int a = 0; a < near->axes; a++) volume *= wide / ((double)step * rule.width[0]);
        candidates[r] = sum / (double)near->n * volume;
    }
}

/* --- Sorting ------------------------------------------------------------------------------------------------------ */

static size_t block_size(const repulse_near *near, size_t block)
{
    const size_t left = near->n - block * BLOCK;
    return left < BLOCK ? left : BLOCK;
}

/* Counts of the blocks become first places, row after row and in a row block after block; returns in start the rows'. */
static void places_set(const repulse_near *near, size_t rows, uint32_t *start)
{
    uint32_t at = 0;
    memset(start, 0, rows * sizeof *start);
    for (size_t b = 0; b < near->blocks; b++)
        for (size_t r = 0; r < rows; r++) start[r] += near->counts[b * ROWS_MOST + r];
    for (size_t r = 0; r < rows; r++) {
        const uint32_t held = start[r];
        start[r]            = at;
        at += held;
    }
    start[rows] = at;
    for (size_t b = 0; b < near->blocks; b++)
        for (size_t r = 0; r < rows; r++) {
            const uint32_t held             = near->counts[b * ROWS_MOST + r];
            near->counts[b * ROWS_MOST + r] = start[r];
            start[r] += held;
        }
    for (size_t r = rows; r > 0; r--) start[r] = start[r - 1];
    start[0] = 0;
}

/* The order in which `count` points are gone through: neighbors, which often share a cell, would wait for each other's
 * increment of its counter. */
NE_INLINE size_t apart(size_t k, size_t count)
{
    const size_t run = count / RUNS;
    return k < RUNS * run ? k % RUNS * run + k / RUNS : k;
}

NE_INLINE void count_rows(const cell_rule *by, const float *z, size_t size, uint32_t *count, int axes)
{
    const cell_rule rule = *by;
    for (size_t k = 0; k < size; k++) count[row_of(&rule, z + apart(k, size) * (size_t)axes, axes)]++;
}

NE_INLINE void place_rows(const repulse_near *near, const cell_rule *by, const float *z, size_t first, size_t size,
                          uint32_t *next, int axes)
{
    const cell_rule rule  = *by;
    float          *loose = near->loose;
    uint32_t       *ids   = near->loose_id;
    for (size_t k = 0; k < size; k++) {
        const size_t   i  = first + apart(k, size);
        const float   *p  = z + i * (size_t)axes;
        const uint32_t to = next[row_of(&rule, p, axes)]++;
        ids[to]           = (uint32_t)i;
        for (int a = 0; a < axes; a++) loose[to * (size_t)axes + (size_t)a] = p[a];
    }
}

static void block_count(const repulse_near *near, const cell_rule *rule, const float *z, size_t block)
{
    const size_t size  = block_size(near, block);
    uint32_t    *count = near->counts + block * ROWS_MOST;
    memset(count, 0, rule->rows * sizeof *count);
    if (near->axes == 2) count_rows(rule, z + block * BLOCK * 2, size, count, 2);
    else count_rows(rule, z + block * BLOCK * 3, size, count, 3);
}

static void block_place(const repulse_near *near, const cell_rule *rule, const float *z, size_t block)
{
    const size_t size = block_size(near, block);
    uint32_t    *next = near->counts + block * ROWS_MOST;
    if (near->axes == 2) place_rows(near, rule, z, block * BLOCK, size, next, 2);
    else place_rows(near, rule, z, block * BLOCK, size, next, 3);
}

/* A row's points from `first` on by cells: counts, their sums, and each point to its place. */
NE_INLINE void sort_row(const repulse_near *near, const cell_rule *by, uint32_t *cell, uint32_t first, size_t size,
                        float scale, int axes)
{
    const cell_rule rule = *by;
    const size_t    room = near->room;
    const float    *from = near->loose + first * (size_t)axes;
    float          *to   = near->sorted;
    uint32_t       *ids = near->sorted_id, at = first;
    memset(cell, 0, (rule.columns + 1) * sizeof *cell);
    for (size_t k = 0; k < size; k++) cell[1 + cell_along(&rule, from + apart(k, size) * (size_t)axes, axes - 1)]++;
    cell[0] = at;
    for (size_t k = 1; k <= rule.columns; k++) {
        const uint32_t held = cell[k];
        cell[k]             = at;
        at += held;
    }
    for (size_t k = 0; k < size; k++) {
        const size_t   i     = apart(k, size);
        const float   *p     = from + i * (size_t)axes;
        const uint32_t place = cell[1 + cell_along(&rule, p, axes - 1)]++; /* ends as where the next cell begins */
        ids[place]           = near->loose_id[first + i];
        for (int a = 0; a < axes; a++) to[(size_t)a * room + place] = (p[a] - rule.low[a]) * scale;
    }
}

static void row_sort(const repulse_near *near, const cell_rule *rule, size_t row, uint32_t first, uint32_t last,
                     float scale)
{
    uint32_t *cell = near->cell + row * (rule->columns + 1);
    if (near->axes == 2) sort_row(near, rule, cell, first, last - first, scale, 2);
    else sort_row(near, rule, cell, first, last - first, scale, 3);
}

/* --- Pairs -------------------------------------------------------------------------------------------------------- */

typedef struct near_view {
    const repulse_near *near;
    const cell_rule    *rule;
    size_t              row0, row1;
    float               q0, factor, reach, per_cell; /* in the units of sorted coordinates */
} near_view;

/* What eight targets have felt so far: t^p k, and forces along the axes. */
typedef struct near_felt {
    lanes sum, force[AXES];
} near_felt;

/* Targets and `count` sources, of which `step` is from one axis to the next. */
NE_INLINE void near_pairs(const lanes *own, near_felt *felt, const float *source, size_t step, size_t count, float q0,
                          int axes)
{
    near_felt now = *felt;
    for (size_t j = 0; j < count; j++) {
        lanes d[AXES], q = q0 + lanes_all(0);
        for (int a = 0; a < axes; a++) {
            d[a] = own[a] - source[(size_t)a * step + j];
            q -= d[a] * d[a];
        }
        const lanes t = (lanes)((lanes_int)q & (q > 0)), k = 1.0f / (1.0f - q), tk = t * k, cubed = t * t * tk;
        const lanes w = cubed * (tk + (float)NEAR_POWER);
        now.sum += cubed * t;
        for (int a = 0; a < axes; a++) now.force[a] += w * d[a];
    }
    *felt = now;
}

/* The column of a coordinate along the last axis, or the nearest that there is. */
NE_INLINE size_t column_of(const near_view *view, float x)
{
    const float column = x * view->per_cell, last = (float)(view->rule->columns - 1);
    return column < 0 ? 0 : column < last ? (size_t)column : (size_t)last;
}

/* Eight targets from `first` on, of which `count` are there, of row (i, j). */
NE_INLINE double group_meet(const near_view *view, size_t i, size_t j, size_t first, size_t count, int axes)
{
    const repulse_near *near    = view->near;
    const size_t        columns = view->rule->columns, depth = axes == 3 ? view->rule->side[1] : 1, step = near->room;
    const size_t        deep = axes == 2 || j + 1 == depth ? j + 1 : j + 2;
    lanes               own[AXES];
    near_felt           felt = {lanes_all(0), {lanes_all(0), lanes_all(0), lanes_all(0)}};
    float               least, most;
    double              sum = 0;
    for (int a = 0; a < axes; a++) {
        own[a] = lanes_load(near->sorted + (size_t)a * step + first);
        for (size_t l = count; l < LANES; l++) own[a][l] = own[a][0];
    }
    least = most = own[axes - 1][0];
    for (size_t l = 1; l < count; l++) {
        const float x = own[axes - 1][l];
        least         = x < least ? x : least;
        most          = x > most ? x : most;
    }
    const size_t left = column_of(view, least - view->reach), right = column_of(view, most + view->reach) + 1;
    for (size_t u = i ? i - 1 : 0; u <= i + 1 && u < view->rule->side[0]; u++)
        for (size_t v = j ? j - 1 : 0; v < deep; v++) {
            const uint32_t *cell = near->cell + (u * depth + v) * (columns + 1);
            near_pairs(own, &felt, near->sorted + cell[left], step, cell[right] - cell[left], view->q0, axes);
        }
    for (int a = 0; a < axes; a++) felt.force[a] *= view->factor;
    for (size_t l = 0; l < count; l++) {
        const size_t id = near->sorted_id[first + l];
        for (int a = 0; a < axes; a++) near->force[id * (size_t)axes + (size_t)a] = felt.force[a][l];
        if (id >= view->row0 && id < view->row1) sum += (double)felt.sum[l];
    }
    return sum;
}

NE_INLINE double row_meet(const near_view *view, size_t row, int axes)
{
    const size_t    columns = view->rule->columns, depth = axes == 3 ? view->rule->side[1] : 1;
    const uint32_t *cell = view->near->cell + row * (columns + 1);
    const size_t    last = cell[columns];
    double          sum  = 0;
    for (size_t first = cell[0]; first < last; first += LANES)
        sum += group_meet(view, row / depth, row % depth, first, last - first < LANES ? last - first : LANES, axes);
    return sum;
}

NE_CLONES static double near_row_meet(const near_view *view, size_t row, int axes)
{
    return axes == 2 ? row_meet(view, row, 2) : row_meet(view, row, 3);
}

double repulse_near_run(repulse_near *near, int threads, const box *around, double radius, const float *z, size_t row0,
                        size_t row1)
{
    const double    unit  = 1 + radius * radius;
    const cell_rule rule  = cells_for(near, around, radius, FINE);
    const float     scale = (float)(1 / sqrt(unit));
    const near_view view  = {.near     = near,
                             .rule     = &rule,
                             .row0     = row0,
                             .row1     = row1,
                             .q0       = (float)(radius * radius / unit),
                             .factor   = (float)(1 / (unit * sqrt(unit))),
                             .reach    = (float)(radius / sqrt(unit)),
                             .per_cell = (float)(sqrt(unit) / rule.width[near->axes - 1])};
    uint32_t        start[ROWS_MOST + 1];
    double          sum = 0;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t b = 0; b < near->blocks; b++) block_count(near, &rule, z, b);
    places_set(near, rule.rows, start);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t b = 0; b < near->blocks; b++) block_place(near, &rule, z, b);
#pragma omp parallel for schedule(dynamic, 4) num_threads(threads)
    for (size_t r = 0; r < rule.rows; r++) row_sort(near, &rule, r, start[r], start[r + 1], scale);
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (size_t r = 0; r < rule.rows; r++) near->sums[r] = near_row_meet(&view, r, near->axes);
    for (size_t r = 0; r < rule.rows; r++) sum += near->sums[r];
    const double q0 = (double)view.q0, itself = q0 * q0 * q0 * q0 / (1 - q0);
    return (sum - (double)(row1 - row0) * itself) / unit;
}

/* --- Memory ------------------------------------------------------------------------------------------------------- */

double repulse_near_bytes(double n, double axes)
{
    return n * (2 * (axes * sizeof(float) + sizeof(uint32_t)) + 2 * sizeof(uint32_t));
}

ne_status repulse_near_create(ne_context *context, size_t n, int axes, repulse_near *made)
{
    const ne_allocator *mem  = &context->memory;
    const size_t        wide = (size_t)axes * sizeof(float);
    repulse_near        near = {
               .n = n, .blocks = (n + BLOCK - 1) / BLOCK, .cells_most = 2 * n + ROWS_MOST, .axes = axes, .room = n + LANES};
    near.loose     = memory_new(mem, n, wide);
    near.sorted    = memory_zero(mem, near.room, wide);
    near.loose_id  = memory_new(mem, n, sizeof *near.loose_id);
    near.sorted_id = memory_new(mem, near.room, sizeof *near.sorted_id);
    near.counts    = memory_new(mem, near.blocks, ROWS_MOST * sizeof *near.counts);
    near.cell      = memory_new(mem, near.cells_most, sizeof *near.cell);
    near.sums      = memory_new(mem, ROWS_MOST, sizeof *near.sums);
    near.force     = near.loose;
    const ne_status st =
        near.loose && near.sorted && near.loose_id && near.sorted_id && near.counts && near.cell && near.sums
            ? NE_OK
            : NE_OUT_OF_MEMORY;
    if (st == NE_OK) *made = near;
    else repulse_near_clear(context, &near);
    return st;
}

void repulse_near_clear(ne_context *context, repulse_near *near)
{
    const ne_allocator *mem = &context->memory;
    memory_free(mem, near->loose);
    memory_free(mem, near->sorted);
    memory_free(mem, near->loose_id);
    memory_free(mem, near->sorted_id);
    memory_free(mem, near->counts);
    memory_free(mem, near->cell);
    memory_free(mem, near->sums);
    *near = (repulse_near){0};
}

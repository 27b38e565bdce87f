/* cpu/grid.c: see grid.h. The values are real, the kernel is real and even, and so is its spectrum.
 *
 *   1. Along axis 0, two columns of reals travel as one complex column: eight columns as real parts, the next eight as
 *      imaginary ones. Z = A + i B comes apart by A(k) = (Z(k) + conj Z(-k)) / 2, B(k) = (Z(k) - conj Z(-k)) / 2i.
 *   2. A is conj A at the opposite frequency, so half the frequencies are kept, transposed, eight to a block: lanes are
 *      now frequencies of axis 0, and rows are columns. The one in the middle, where the spectrum is smallest, is left
 *      out (taken as zero): the others fill whole blocks.
 *   3. Each block alone goes through the other axes and back, times the spectrum on the way.
 *   4. Step 2 and 1 in reverse, into the same values.
 *
 * Cost for two axes of H nodes: 3 H transforms of 2 H points, a quarter of what three charges as complex fields take.
 * One axis has no step 1: its values are one of eight lanes. */
#include "cpu/grid.h"

#include "cpu/lanes.h"

#include <omp.h>
#include <string.h>

enum {
    PAIR             = 2 * LANES, /* columns that travel as one block */
    SUM_BLOCK        = 4096,
    NODES_PER_THREAD = 8192
};

/* Eight frequencies of sixteen columns, apart and transposed: out is a row for each column. All twice too large. */
NE_CLONES static void grid_part_columns(const float *rows, const uint32_t *place, size_t n, size_t frequency,
                                        float *out)
{
    lanes a_re[LANES], a_im[LANES], b_re[LANES], b_im[LANES];
    for (size_t i = 0; i < LANES; i++) {
        const size_t k = frequency + i;
        const float *z = rows + (size_t)place[k] * FFT_ROW, *opposite = rows + (size_t)place[k ? n - k : 0] * FFT_ROW;
        const lanes  re = lanes_load(z), im = lanes_load(z + LANES);
        const lanes  o_re = lanes_load(opposite), o_im = lanes_load(opposite + LANES);
        a_re[i] = re + o_re;
        a_im[i] = im - o_im;
        b_re[i] = im + o_im;
        b_im[i] = o_re - re;
    }
    lanes_transpose(a_re);
    lanes_transpose(a_im);
    lanes_transpose(b_re);
    lanes_transpose(b_im);
    for (size_t i = 0; i < LANES; i++, out += FFT_ROW) {
        lanes_store(out, a_re[i]);
        lanes_store(out + LANES, a_im[i]);
        lanes_store(out + LANES * FFT_ROW, b_re[i]);
        lanes_store(out + LANES * FFT_ROW + LANES, b_im[i]);
    }
}

NE_CLONES static void grid_join_columns(const float *in, const uint32_t *place, size_t n, size_t frequency, float *rows)
{
    lanes a_re[LANES], a_im[LANES], b_re[LANES], b_im[LANES];
    for (size_t i = 0; i < LANES; i++, in += FFT_ROW) {
        a_re[i] = lanes_load(in);
        a_im[i] = lanes_load(in + LANES);
        b_re[i] = lanes_load(in + LANES * FFT_ROW);
        b_im[i] = lanes_load(in + LANES * FFT_ROW + LANES);
    }
    lanes_transpose(a_re);
    lanes_transpose(a_im);
    lanes_transpose(b_re);
    lanes_transpose(b_im);
    for (size_t i = 0; i < LANES; i++) {
        const size_t k = frequency + i;
        float       *z = rows + (size_t)place[k] * FFT_ROW, *opposite = rows + (size_t)place[k ? n - k : 0] * FFT_ROW;
        lanes_store(opposite, a_re[i] + b_im[i]);
        lanes_store(opposite + LANES, b_re[i] - a_im[i]);
        lanes_store(z, a_re[i] - b_im[i]);
        lanes_store(z + LANES, a_im[i] + b_re[i]);
    }
}

/* Step 1 and 2 for the sixteen columns from `column` on, and their reverse. */
static void columns_forward(const grid_field *grid, size_t column, float *rows)
{
    const fft_plan *plan = &grid->plan[0];
    const float    *from = grid->value + column;
    fft_forward(plan, from, from + LANES, grid->columns, rows);
    for (size_t k = 0; k < grid->nodes[0]; k += LANES)
        grid_part_columns(rows, plan->place, plan->n, k, grid->blocks + (k / LANES * grid->columns + column) * FFT_ROW);
}

static void columns_inverse(const grid_field *grid, size_t column, float *rows)
{
    const fft_plan *plan   = &grid->plan[0];
    float          *to     = grid->value + column;
    float          *middle = rows + (size_t)plan->place[grid->nodes[0]] * FFT_ROW;
    for (size_t k = 0; k < grid->nodes[0]; k += LANES)
        grid_join_columns(grid->blocks + (k / LANES * grid->columns + column) * FFT_ROW, plan->place, plan->n, k, rows);
    for (int i = 0; i < FFT_ROW; i++) middle[i] = 0;
    fft_inverse(plan, rows, to, to + LANES, grid->columns);
}

/* Step 3 for eight frequencies of axis 0. Two axes: along axis 1. Three: forward along axis 2 into a slab, along axis 1
 * and back for each of its frequencies, back along axis 2. */
static void block_convolve(const grid_field *grid, size_t block, float *scratch)
{
    float       *rows     = grid->blocks + block * grid->columns * FFT_ROW;
    const size_t rows1    = grid->nodes[1] + 1;
    const float *spectrum = grid->spectrum + block * rows1 * (grid->axes == 3 ? grid->nodes[2] + 1 : 1) * LANES;
    if (grid->axes == 2) {
        fft_convolve(&grid->plan[1], spectrum, grid->slot[1], rows, rows + LANES, FFT_ROW, scratch);
    } else {
        const size_t n2 = grid->plan[2].n, step = n2 * FFT_ROW;
        float       *slab = scratch, *spare = slab + grid->nodes[1] * step;
        for (size_t i = 0; i < grid->nodes[1]; i++) {
            const float *from = rows + i * grid->line * FFT_ROW;
            fft_forward(&grid->plan[2], from, from + LANES, FFT_ROW, slab + i * step);
        }
        for (size_t r = 0; r < n2; r++)
            fft_convolve(&grid->plan[1], spectrum + grid->slot[2][r] * rows1 * LANES, grid->slot[1], slab + r * FFT_ROW,
                         slab + r * FFT_ROW + LANES, step, spare);
        for (size_t i = 0; i < grid->nodes[1]; i++) {
            float *to = rows + i * grid->line * FFT_ROW;
            fft_inverse(&grid->plan[2], slab + i * step, to, to + LANES, FFT_ROW);
        }
    }
}

static void convolve_line(const grid_field *grid)
{
    float *rows = grid->blocks;
    memset(rows, 0, grid->nodes[0] * FFT_ROW * sizeof *rows);
    for (size_t i = 0; i < grid->nodes[0]; i++) rows[i * FFT_ROW] = grid->value[i];
    fft_convolve(&grid->plan[0], grid->spectrum, grid->slot[0], rows, rows + LANES, FFT_ROW, grid->scratch);
    for (size_t i = 0; i < grid->nodes[0]; i++) grid->value[i] = rows[i * FFT_ROW];
}

void grid_convolve(const grid_field *grid)
{
    const size_t pairs = grid->columns / PAIR, blocks = grid->nodes[0] / LANES;
    if (grid->axes == 1) {
        convolve_line(grid);
    } else {
#pragma omp parallel for schedule(dynamic, 1) num_threads(grid->threads)
        for (size_t i = 0; i < pairs; i++)
            columns_forward(grid, i * PAIR, grid->scratch + grid->scratch_size * (size_t)omp_get_thread_num());
#pragma omp parallel for schedule(dynamic, 1) num_threads(grid->threads)
        for (size_t i = 0; i < blocks; i++)
            block_convolve(grid, i, grid->scratch + grid->scratch_size * (size_t)omp_get_thread_num());
#pragma omp parallel for schedule(dynamic, 1) num_threads(grid->threads)
        for (size_t i = 0; i < pairs; i++)
            columns_inverse(grid, i * PAIR, grid->scratch + grid->scratch_size * (size_t)omp_get_thread_num());
    }
}

/* --- Roughness ---------------------------------------------------------------------------------------------------- */

/* step: to the neighbors along each axis. */
NE_CLONES static double grid_rough_block(const float *value, size_t count, const size_t *step, int axes)
{
    lanes  sum   = lanes_all(0);
    double total = 0;
    for (size_t i = 0; i < count; i += LANES) {
        const lanes here   = lanes_load(value + i);
        lanes       square = lanes_all(0);
        for (int a = 0; a < axes; a++) {
            const lanes off = here - 0.5f * (lanes_load(value + i - step[a]) + lanes_load(value + i + step[a]));
            square += off * off;
        }
        sum += here * square;
    }
    for (int l = 0; l < LANES; l++) total += (double)sum[l];
    return total;
}

double grid_roughness(const grid_field *grid)
{
    const size_t step[GRID_AXES] = {grid->columns, grid->axes == 3 ? grid->line : 1, 1};
    /* From the second row of axis 0 to the last but one; all rows end in zeros, so they may run into each other. */
    const size_t first = grid->columns, count = (grid->nodes[0] - 2) * first;
    const size_t blocks = (count + SUM_BLOCK - 1) / SUM_BLOCK;
    double       total  = 0;
#pragma omp parallel for schedule(static) num_threads(grid->threads)
    for (size_t b = 0; b < blocks; b++) {
        const size_t at = b * SUM_BLOCK, left = count - at;
        grid->sums[b] =
            grid_rough_block(grid->value + first + at, left < SUM_BLOCK ? left : SUM_BLOCK, step, grid->axes);
    }
    for (size_t b = 0; b < blocks; b++) total += grid->sums[b];
    return total;
}

/* --- Shape -------------------------------------------------------------------------------------------------------- */

size_t grid_nodes(size_t least)
{
    return fft_length(2 * least) / 2;
}

static size_t line_size(int axes, const size_t *nodes)
{
    return axes == 1 ? 1 : (nodes[axes - 1] + PAIR - 1) / PAIR * PAIR;
}

size_t grid_size(int axes, const size_t *nodes)
{
    const size_t longest = axes == 1 ? GRID_LINE_MAX : GRID_AXIS_MAX;
    size_t       size    = nodes[axes - 1] <= longest ? line_size(axes, nodes) : SIZE_MAX;
    for (int a = 0; a < (axes == 1 ? 1 : axes - 1); a++)
        size = nodes[a] <= longest && size <= GRID_NODES_MAX / nodes[a] ? size * nodes[a] : SIZE_MAX;
    return size;
}

void grid_use_threads(const ne_context *context, grid_field *grid, double wanted)
{
    const int now = context_threads(context), most = now < grid->threads_most ? now : grid->threads_most;
    grid->threads = wanted < most - 1 ? 1 + (int)wanted : most;
}

ne_status grid_make_room(ne_context *context, grid_field *grid)
{
    const int most    = context_threads_most(context);
    float    *scratch = NULL;
    if (most <= grid->threads_most || grid->axes == 1) return NE_OK;
    scratch = memory_new(&context->memory, grid->scratch_size, (size_t)most * sizeof *scratch);
    if (!scratch) return NE_OUT_OF_MEMORY;
    memory_free(&context->memory, grid->scratch);
    grid->scratch      = scratch;
    grid->threads_most = most;
    return NE_OK;
}

ne_status grid_create(ne_context *context, int axes, const size_t *nodes, grid_field *to)
{
    const ne_allocator *mem  = &context->memory;
    ne_status           st   = NE_OK;
    grid_field          made = {.axes = axes, .nodes = {1, 1, 1}, .threads_most = context_threads_most(context)};
    size_t              rows = 0, longest = 0;
    for (int a = 0; a < axes; a++) {
        made.nodes[a] = nodes[a];
        st            = fft_create(context, 2 * nodes[a], &made.plan[a]);
        made.slot[a]  = st == NE_OK ? memory_new(mem, 2 * nodes[a], sizeof **made.slot) : NULL;
        if (!made.slot[a]) {
            st = NE_OUT_OF_MEMORY;
            goto done;
        }
        longest = longest < made.plan[a].n ? made.plan[a].n : longest;
    }
    made.line         = line_size(axes, nodes);
    made.columns      = axes == 3 ? made.line * nodes[1] : made.line;
    rows              = axes == 3 ? nodes[1] * made.plan[2].n + longest : longest;
    made.scratch_size = rows * FFT_ROW;
    /* A window of eight values may reach past the last node. */
    made.value    = memory_zero(mem, grid_size(axes, nodes) + PAIR, sizeof *made.value);
    made.blocks   = memory_zero(mem, axes == 1 ? nodes[0] : nodes[0] / LANES * made.columns, FFT_ROW * sizeof(float));
    made.spectrum = memory_new(mem, (axes == 1 ? nodes[0] + 1 : nodes[0] / LANES) * (axes > 1 ? nodes[1] + 1 : 1),
                               (axes > 2 ? nodes[2] + 1 : 1) * LANES * sizeof(float));
    made.scratch  = memory_new(mem, made.scratch_size, (axes == 1 ? 1 : (size_t)made.threads_most) * sizeof(float));
    made.sums     = memory_new(mem, grid_size(axes, nodes) / SUM_BLOCK + 1, sizeof *made.sums);
    if (!made.sums || !made.value || !made.blocks || !made.spectrum || !made.scratch) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    grid_use_threads(context, &made, (double)grid_size(axes, nodes) / NODES_PER_THREAD);
    *to  = made;
    made = (grid_field){0};
done:
    grid_clear(context, &made);
    return st;
}

void grid_clear(ne_context *context, grid_field *grid)
{
    const ne_allocator *mem = &context->memory;
    for (int a = 0; a < GRID_AXES; a++) {
        fft_clear(context, &grid->plan[a]);
        memory_free(mem, grid->slot[a]);
        grid->slot[a] = NULL;
    }
    memory_free(mem, grid->value);
    memory_free(mem, grid->blocks);
    memory_free(mem, grid->spectrum);
    memory_free(mem, grid->scratch);
    memory_free(mem, grid->sums);
    grid->value = grid->blocks = grid->spectrum = grid->scratch = NULL;
    grid->sums                                                  = NULL;
}

/* cpu/grid_kernel.c: see grid_kernel.h.
 *
 * The kernel is even along every axis, so one octant of it, (n + 1)^axes values, becomes one octant of its spectrum:
 * lines along one axis after another are mirrored, transformed and cut again. Sixteen lines ride in one transform as
 * real and imaginary parts and stay apart, because the spectrum of an even line is real.
 *
 * Points are spread with splines of order 4 and gathered with splines of order 6; on the nodes their spectra are, with
 * t = 2 pi f / n, b4 = (4 + 2 cos t) / 6 and b6 = (66 + 52 cos t + 2 cos 2t) / 120 (Essmann et al., J. Chem. Phys. 103,
 * 1995).
 *
 * Cost: about two convolutions; once per shape of the grid, not per step. */
#include "cpu/grid_kernel.h"

#include "cpu/lanes.h"
#include "cpu/repulse_near.h"

#include <math.h>
#include <omp.h>

static const double two_pi = 6.283185307179586476925;

int grid_kernel_known(const output_kernel *kernel)
{
    return (kernel->kind == KERNEL_STUDENT || kernel->kind == KERNEL_GAUSSIAN) && kernel->shape > 0;
}

int grid_kernel_parts(const output_kernel *kernel)
{
    return kernel->kind == KERNEL_STUDENT && kernel->shape == 1;
}

/* Measured: spacings of equal error for nu from 0.2 to 50. A Gaussian is Student's limit with sigma = 2, for which that
 * would give sqrt(1.25 sigma); the normaliser, with hardly any far pairs in it, wants less. */
double grid_kernel_length(const output_kernel *kernel)
{
    return kernel->kind == KERNEL_STUDENT ? sqrt(2.5 * kernel->shape / (kernel->shape + 1.5))
                                          : sqrt(0.78 * kernel->shape);
}

static double value_at(const output_kernel *kernel, double s)
{
    return kernel->kind == KERNEL_STUDENT ? pow(1 + s / kernel->shape, -(kernel->shape + 1) / 2)
                                          : exp(-s / kernel->shape);
}

/* q(s) - q(far) as q(far) (q(s) / q(far) - 1), without the cancellation; 0 <= s <= far. */
static double value_above(const output_kernel *kernel, double s, double far, double far_value)
{
    const double nu = kernel->shape;
    double       log_ratio;
    if (kernel->kind == KERNEL_GAUSSIAN) log_ratio = (far - s) / nu;
    else log_ratio = (nu + 1) / 2 * log1p((far - s) / (nu + s));
    return log_ratio < 30 ? far_value * expm1(log_ratio) : value_at(kernel, s) - far_value;
}

/* --- The octant --------------------------------------------------------------------------------------------------- */

typedef struct kernel_octant {
    size_t side[GRID_AXES]; /* nodes + 1; 1 beyond the axes */
    size_t size;
    float *value;
} kernel_octant;

/* How far node i counts as being: i up to the reach, then bent until it stands still at the end, n, so that the
 * mirrored kernel has no kink there. With u = (i - reach) / (n - reach): slope 1 - 3 u^2 + 2 u^3. */
static double bent(double i, double n, double reach)
{
    const double length = n - reach, u = (i - reach) / length;
    return i <= reach ? i : reach + length * (u - u * u * u + u * u * u * u / 2);
}

/* Squared distances of nodes along each axis, far: the sum of the largest. */
static void distances_set(const kernel_octant *octant, const grid_kernel *made, double *const square[GRID_AXES])
{
    for (int a = 0; a < GRID_AXES; a++) {
        const double n = (double)(octant->side[a] - 1);
        for (size_t i = 0; i < octant->side[a]; i++) {
            const double r = n > 0 ? made->spacing * bent((double)i, n, n - made->bend) : 0;
            square[a][i]   = r * r;
        }
    }
}

static void octant_fill(const kernel_octant *octant, const output_kernel *kernel, const grid_kernel *made,
                        double *const square[GRID_AXES], double far, int threads)
{
    const size_t *side   = octant->side;
    const int     simple = grid_kernel_parts(kernel);
    const double  near   = made->radius * made->radius;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (size_t i = 0; i < side[0]; i++) {
        float *to = octant->value + i * side[1] * side[2];
        for (size_t j = 0; j < side[1]; j++) {
            for (size_t k = 0; k < side[2]; k++) {
                const double s     = square[0][i] + square[1][j] + square[2][k];
                const double value = s < near ? near_far_value(made->radius, s) - made->far
                                     : simple ? (far - s) / ((1 + s) * (1 + far))
                                              : value_above(kernel, s, far, made->far);
                *to++              = (float)(value / made->amplitude);
            }
        }
    }
}

/* Sixteen lines along one axis, from number `line` on (fewer at the end), into their spectrum. */
static void lines_transform(const kernel_octant *octant, const fft_plan *plan, int axis, size_t line, float *rows)
{
    const size_t n = plan->n, half = n / 2;
    size_t       stride = 1, base[FFT_ROW], lines = octant->size / octant->side[axis] - line;
    lines = lines < FFT_ROW ? lines : FFT_ROW;
    for (int a = axis + 1; a < GRID_AXES; a++) stride *= octant->side[a];
    for (size_t l = 0; l < lines; l++)
        base[l] = (line + l) / stride * stride * octant->side[axis] + (line + l) % stride;
    for (size_t i = 0; i <= half; i++) {
        float *row = rows + i * FFT_ROW, *mirror = rows + (i ? n - i : 0) * FFT_ROW;
        for (size_t l = 0; l < FFT_ROW; l++)
            row[l] = mirror[l] = l < lines ? octant->value[base[l] + i * stride] : 0.0f;
    }
    fft_forward_full(plan, rows);
    for (size_t f = 0; f <= half; f++) {
        const float *row = rows + (size_t)plan->place[f] * FFT_ROW;
        for (size_t l = 0; l < lines; l++) octant->value[base[l] + f * stride] = row[l];
    }
}

/* --- From the octant to the order in which the convolution asks for it -------------------------------------------- */

/* Rows f and n - f of a transform share a row of the spectrum; these are numbered in the order in which a scrambled
 * transform meets them, so that the spectrum is read almost from front to back. */
static void slots_set(const fft_plan *plan, uint32_t *frequency, uint32_t *slot)
{
    const size_t n    = plan->n;
    uint32_t     next = 0;
    for (size_t f = 0; f < n; f++) frequency[plan->place[f]] = (uint32_t)f;
    for (size_t r = 0; r < n; r++) slot[r] = UINT32_MAX;
    for (size_t r = 0; r < n; r++) {
        if (slot[r] == UINT32_MAX) {
            const size_t f                   = frequency[r];
            slot[r]                          = next;
            slot[plan->place[f ? n - f : 0]] = next++;
        }
    }
}

/* 1 / (n b4 b6) for each frequency of an axis: the deconvolution, and the scale of the transforms there and back. */
static void factors_set(size_t n, double *factor)
{
    for (size_t f = 0; f <= n / 2; f++) {
        const double t = two_pi * (double)f / (double)n, b4 = (4 + 2 * cos(t)) / 6;
        const double b6 = (66 + 52 * cos(t) + 2 * cos(2 * t)) / 120;
        factor[f]       = 1 / (b4 * b6 * (double)n);
    }
}

static void spectrum_set(grid_field *grid, const kernel_octant *octant, double *const factor[GRID_AXES])
{
    const size_t *side = octant->side, blocks = (side[0] - 1) / LANES;
    if (grid->axes == 1) {
        for (size_t f = 0; f < side[0]; f++)
            for (int l = 0; l < LANES; l++)
                grid->spectrum[(size_t)grid->slot[0][grid->plan[0].place[f]] * LANES + (size_t)l] =
                    (float)(octant->value[f] * factor[0][f]);
    } else {
#pragma omp parallel for schedule(static) num_threads(grid->threads)
        for (size_t block = 0; block < blocks; block++) {
            float *to = grid->spectrum + block * side[1] * side[2] * LANES;
            for (size_t j = 0; j < side[1]; j++) {
                for (size_t k = 0; k < side[2]; k++) {
                    const size_t slot1 = grid->slot[1][grid->plan[1].place[j]];
                    const size_t slot2 = grid->axes == 3 ? grid->slot[2][grid->plan[2].place[k]] : 0;
                    for (size_t l = 0; l < LANES; l++) {
                        const size_t i = block * LANES + l;
                        /* one half: the columns of a pair come apart twice too large */
                        const double by = 0.5 * factor[0][i] * factor[1][j] * (grid->axes == 3 ? factor[2][k] : 1);
                        to[(slot2 * side[1] + slot1) * LANES + l] =
                            (float)(octant->value[(i * side[1] + j) * side[2] + k] * by);
                    }
                }
            }
        }
    }
}

ne_status grid_kernel_set(ne_context *context, const output_kernel *kernel, double radius, double spacing, double bend,
                          grid_field *grid, grid_kernel *made)
{
    const ne_allocator *mem               = &context->memory;
    ne_status           st                = NE_OK;
    kernel_octant       part              = {.side = {1, 1, 1}, .size = 1};
    double             *factor[GRID_AXES] = {NULL}, *square[GRID_AXES] = {NULL};
    uint32_t           *frequency = NULL;
    size_t              longest   = 0;
    double              far       = 0;
    for (int a = 0; a < GRID_AXES; a++) {
        if (a < grid->axes) part.side[a] = grid->nodes[a] + 1;
        part.size *= part.side[a];
        longest   = longest < grid->plan[a].n ? grid->plan[a].n : longest;
        factor[a] = memory_new(mem, part.side[a], sizeof **factor);
        square[a] = memory_new(mem, part.side[a], sizeof **square);
        if (!factor[a] || !square[a]) st = NE_OUT_OF_MEMORY;
    }
    part.value = memory_new(mem, part.size, sizeof *part.value);
    frequency  = memory_new(mem, longest, sizeof *frequency);
    if (st != NE_OK || !part.value || !frequency) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    *made = (grid_kernel){.spacing = spacing, .bend = bend, .radius = radius};
    distances_set(&part, made, square);
    for (int a = 0; a < GRID_AXES; a++) far += square[a][part.side[a] - 1];
    made->far       = value_at(kernel, far);
    made->amplitude = radius > 0 ? near_far_value(radius, 0) - made->far : value_above(kernel, 0, far, made->far);
    octant_fill(&part, kernel, made, square, far, grid->threads);
    for (int a = 0; a < grid->axes; a++) {
        const size_t lines = part.size / part.side[a], groups = (lines + FFT_ROW - 1) / FFT_ROW;
        slots_set(&grid->plan[a], frequency, grid->slot[a]);
        factors_set(grid->plan[a].n, factor[a]);
#pragma omp parallel for schedule(dynamic, 1) num_threads(grid->threads)
        for (size_t g = 0; g < groups; g++)
            lines_transform(&part, &grid->plan[a], a, g * FFT_ROW,
                            grid->scratch + grid->scratch_size * (size_t)omp_get_thread_num());
    }
    spectrum_set(grid, &part, factor);
done:
    for (int a = 0; a < GRID_AXES; a++) {
        memory_free(mem, factor[a]);
        memory_free(mem, square[a]);
    }
    memory_free(mem, part.value);
    memory_free(mem, frequency);
    return st;
}

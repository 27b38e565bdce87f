/* cpu/attract.c: attraction over the edges of a CSR matrix.
 *
 *     f_i = sum_j p_ij w(s_ij) (z_i - z_j)     loss = -sum_ij p_ij log q(s_ij)     s_ij = |z_i - z_j|^2
 *
 * Cost: 8 bytes of the matrix and a read of z_j per edge, which is near by when rows are in local order. Here an edge
 * takes 2 ns in two columns, for any kernel; the kernels of Student and LargeVis on x86 have a loop of their own
 * (x86/attract_avx2.c) that takes 0.5 ns, and half of the bytes if the edges are packed (edge_groups.h).
 *
 * The edges of a row are taken in tiles: gather z_j into columns, weigh all of the tile, sum. So any kernel and any
 * number of columns share one path, and all but the gather is vector arithmetic. Lanes are edges here, and have to
 * be added up: always LANES of them and in one order, so that the width of the machine's registers does not show in
 * the bits. */
#include "cpu/attract.h"

#include "base/clones.h"
#include "cpu/edge_groups.h"
#include "cpu/kernel.h"
#include "cpu/lanes.h"
#include "cpu/x86/attract_avx2.h"

enum {
    ROWS    = 128,
    TILE    = 256,
    COLUMNS = 3 /* up to so many the differences of a tile are kept */
};

typedef struct edge_tile {
    float d[COLUMNS][TILE + LANES]; /* z_i - z_j by columns */
    float s[TILE + LANES], weight[TILE + LANES], energy[TILE + LANES];
} edge_tile;

NE_INLINE void gather_columns(size_t c, size_t count, const float *restrict zi, const float *restrict z,
                              const int32_t *restrict col, edge_tile *restrict tile)
{
    for (size_t t = 0; t < count; t++)
        for (size_t k = 0; k < c; k++) tile->d[k][t] = z[(size_t)col[t] * c + k];
#pragma omp simd
    for (size_t t = 0; t < count; t++) {
        float sum = 0;
        for (size_t k = 0; k < c; k++) {
            const float d = zi[k] - tile->d[k][t];
            tile->d[k][t] = d;
            sum += d * d;
        }
        tile->s[t] = sum;
    }
}

NE_CLONES static void attract_gather(size_t c, size_t count, const float *restrict zi, const float *restrict z,
                                     const int32_t *restrict col, edge_tile *restrict tile)
{
    if (c == 1) {
        gather_columns(1, count, zi, z, col, tile);
    } else if (c == 2) {
        gather_columns(2, count, zi, z, col, tile);
    } else if (c == 3) {
        gather_columns(3, count, zi, z, col, tile);
    } else {
        for (size_t t = 0; t < count; t++) {
            const float *zj  = z + (size_t)col[t] * c;
            float        sum = 0;
            for (size_t k = 0; k < c; k++) sum += (zi[k] - zj[k]) * (zi[k] - zj[k]);
            tile->s[t] = sum;
        }
    }
    for (size_t t = 0; t < LANES; t++) tile->s[count + t] = 0;
}

/* The sum of x[t] * by[t]: products into x, filled up with zeros, then the upper half onto the lower one until LANES
 * are left. Every pass is a plain vector loop, and the rounding error grows with the number of passes only. */
NE_INLINE float sum_products(size_t count, const float *restrict by, float *restrict x)
{
#pragma omp simd
    for (size_t t = 0; t < count; t++) x[t] *= by[t];
    for (size_t t = 0; t < LANES; t++) x[count + t] = 0;
    for (size_t n = (count + LANES - 1) / LANES * LANES; n > LANES;) {
        const size_t half = (n / LANES + 1) / 2 * LANES;
#pragma omp simd
        for (size_t t = 0; t < n - half; t++) x[t] += x[half + t];
        n = half;
    }
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

/* f += the forces of a tile's edges; up to COLUMNS columns. */
NE_CLONES static void attract_sum(size_t c, size_t count, const float *restrict val, edge_tile *restrict tile,
                                  double *restrict f)
{
#pragma omp simd
    for (size_t t = 0; t < count; t++) tile->weight[t] *= val[t];
    for (size_t k = 0; k < c; k++) f[k] += sum_products(count, tile->weight, tile->d[k]);
}

NE_CLONES static float attract_sum_loss(size_t count, const float *restrict val, float *restrict energy)
{
    return sum_products(count, val, energy);
}

NE_CLONES static void attract_sum_wide(size_t c, size_t count, const float *restrict zi, const float *restrict z,
                                       const int32_t *restrict col, const float *restrict val,
                                       const float *restrict slope, float *restrict f)
{
    for (size_t t = 0; t < count; t++) {
        const float *zj     = z + (size_t)col[t] * c;
        const float  weight = slope[t] * val[t];
#pragma omp simd
        for (size_t k = 0; k < c; k++) f[k] += weight * (zi[k] - zj[k]);
    }
}

/* Forces of the rows if `forces`, and their loss, 0 if it is not wanted. */
static double attract_rows(const attraction_job *job, size_t row0, size_t row1, int forces)
{
    const size_t   c     = job->c;
    const int64_t *start = job->p->start;
    const float   *val   = job->p->val;
    edge_tile      tile;
    double         loss = 0;

    for (size_t i = row0; i < row1; i++) {
        const float *zi         = job->z + i * c;
        float       *fi         = job->f + i * c;
        double       f[COLUMNS] = {0};
        if (forces)
            for (size_t k = 0; k < c; k++) fi[k] = 0;
        for (size_t e = (size_t)start[i]; e < (size_t)start[i + 1]; e += TILE) {
            const size_t   left = (size_t)start[i + 1] - e, count = left < TILE ? left : TILE;
            const int32_t *col = job->p->col + e;
            attract_gather(c, count, zi, job->z, col, &tile);
            kernel_slopes(job->kernel, count, tile.s, tile.weight, job->loss ? tile.energy : NULL);
            if (job->loss) loss += (double)attract_sum_loss(count, val + e, tile.energy);
            if (forces && c <= COLUMNS) attract_sum(c, count, val + e, &tile, f);
            else if (forces) attract_sum_wide(c, count, zi, job->z, col, val + e, tile.weight, fi);
        }
        if (forces)
            for (size_t k = 0; k < c && c <= COLUMNS; k++) fi[k] = (float)f[k];
    }
    return loss;
}

ne_status cpu_attract(ne_context *context, const attraction_job *job)
{
    const size_t rows = job->row1 - job->row0, blocks = (rows + ROWS - 1) / ROWS;
    const int    student = job->kernel->kind == KERNEL_STUDENT, largevis = job->kernel->kind == KERNEL_LARGEVIS;
    const int    fast  = (job->c == 2 || job->c == 3) && (student || largevis) && attract_avx2_usable();
    const float  shift = student ? (float)job->kernel->shape : 2, scale = student ? 0.5f * (shift + 1) : 1;
    double      *part   = memory_new(&context->memory, blocks, sizeof *part);
    ne_status    status = part ? NE_OK : NE_OUT_OF_MEMORY;

    if (part) {
#pragma omp parallel for schedule(dynamic, 4) num_threads(context_threads(context))
        for (size_t b = 0; b < blocks; b++) {
            const size_t row0 = job->row0 + b * ROWS, row1 = row0 + ROWS < job->row1 ? row0 + ROWS : job->row1;
            if (job->edges) attract_avx2_groups(job->edges, job->z, shift, scale, row0, row1, job->f);
            else if (fast)
                (job->c == 2 ? attract_avx2_2d : attract_avx2_3d)(job->p->start, job->p->col, job->p->val, job->z,
                                                                  shift, scale, row0, row1, job->f);
            part[b] = !fast || job->loss ? attract_rows(job, row0, row1, !fast) : 0;
        }
        if (job->loss) {
            *job->loss = 0;
            for (size_t b = 0; b < blocks; b++) *job->loss += part[b];
        }
    }
    memory_free(&context->memory, part);
    return status;
}

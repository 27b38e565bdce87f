/* cpu/repulse_pairs.c: see repulse_pairs.h and repulse_exact.c, which takes any number of points.
 *
 *     q_ij = 1 / (1 + |z_i - z_j|^2)     f_i = sum_j q_ij^2 (z_i - z_j)     normaliser = 2 sum_{i < j} q_ij
 *
 * Cost: n^2 / 2 pairs, each once for both of its ends; the division bounds the rate (5 cycles for eight pairs). 500 points
 * take 25 us.
 *
 * A tile is a block of ROWS targets and ROWS sources that come after it. Lanes are targets; a source's sum over the lanes of
 * the targets is itself kept as lanes, and added up when the tile is done, by a transpose. The forces of a block on the
 * sources after it are a part of their own, so blocks do not wait for each other; a point adds the parts in the order of
 * the blocks. These parts are n^2 c / ROWS floats, which is why there may be few points only. A block with itself is a
 * tile of all ordered pairs, without sums of sources, where the pair i, i counts nothing. */
#include "cpu/repulse_pairs.h"

#include "cpu/lanes.h"

enum {
    ROWS    = 64,
    PAIR    = 2 * LANES, /* targets at a time, whose sums stay in registers */
    COLUMNS = 3,
    MOST    = 2048 /* points */
};

/* Of one block: the coordinates of its points by columns, and what its tiles give. */
typedef struct pairs_block {
    float  target[COLUMNS][ROWS];
    float  force[COLUMNS][ROWS], q[ROWS];       /* of one tile, on the targets */
    float  source[COLUMNS][ROWS][LANES];        /* of one tile, on the sources; lanes not added up yet */
    double total[COLUMNS][ROWS], q_total[ROWS]; /* of the tiles so far, each pair of points once */
} pairs_block;

int repulse_pairs_can(size_t n, size_t c, const output_kernel *kernel, const repulsion_job *job)
{
    return n <= MOST && c <= COLUMNS && kernel->kind == KERNEL_STUDENT && kernel->shape == 1 && job->row0 == 0 &&
           job->row1 == n;
}

/* PAIR targets from r on and all sources. c and own are constants where this is inlined. */
NE_INLINE void pairs_strip(size_t c, int own, size_t count, const float *restrict z, size_t r,
                           pairs_block *restrict block)
{
    static const float place[LANES] = {0, 1, 2, 3, 4, 5, 6, 7};
    lanes              t[2][COLUMNS], f[2][COLUMNS], q_sum[2] = {lanes_all(0), lanes_all(0)};
    for (size_t h = 0; h < 2; h++)
        for (size_t k = 0; k < c; k++) {
            t[h][k] = lanes_load(block->target[k] + r + h * LANES);
            f[h][k] = lanes_all(0);
        }
    for (size_t j = 0; j < count; j++) {
        lanes sum[COLUMNS];
        for (size_t h = 0; h < 2; h++) {
            lanes d[COLUMNS], u = lanes_all(1);
            for (size_t k = 0; k < c; k++) {
                d[k] = t[h][k] - z[j * c + k];
                u += d[k] * d[k];
            }
            lanes q = 1.0f / u;
            if (own) { /* all but the lane of the source itself */
                const lanes self = lanes_all((float)j - (float)(r + h * LANES));
                q                = (lanes)((lanes_int)q & (lanes_load(place) != self));
            }
            const lanes qq = q * q;
            q_sum[h] += q;
            for (size_t k = 0; k < c; k++) {
                const lanes push = qq * d[k];
                f[h][k] += push;
                if (h) sum[k] += push;
                else sum[k] = push;
            }
        }
        for (size_t k = 0; k < c && !own; k++) {
            float *to = block->source[k][j];
            if (r) sum[k] += lanes_load(to);
            lanes_store(to, sum[k]);
        }
    }
    for (size_t h = 0; h < 2; h++) {
        for (size_t k = 0; k < c; k++) lanes_store(block->force[k] + r + h * LANES, f[h][k]);
        lanes_store(block->q + r + h * LANES, q_sum[h]);
    }
}

/* Adds up lanes of the sources, and takes them from part (count x c), since d points away from them. */
NE_INLINE void pairs_give(size_t c, size_t count, pairs_block *restrict block, float *restrict part)
{
    for (size_t k = 0; k < c; k++)
        for (size_t j = 0; j < count; j += LANES) {
            lanes v[LANES], sum;
            for (size_t l = 0; l < LANES; l++) v[l] = lanes_load(block->source[k][j + l]);
            lanes_transpose(v);
            sum = ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
            for (size_t l = 0; l < LANES && j + l < count; l++) part[(j + l) * c + k] = -sum[l];
        }
}

NE_INLINE void pairs_tile_of(size_t c, int own, size_t count, const float *restrict z, pairs_block *restrict block,
                             float *restrict part)
{
    for (size_t r = 0; r < ROWS; r += PAIR) {
        if (own) pairs_strip(c, 1, count, z, r, block);
        else pairs_strip(c, 0, count, z, r, block);
    }
    for (size_t k = 0; k < c; k++)
        for (size_t r = 0; r < ROWS; r++) block->total[k][r] += (double)block->force[k][r];
    for (size_t r = 0; r < ROWS; r++) block->q_total[r] += (own ? 0.5 : 1) * (double)block->q[r];
    if (!own) pairs_give(c, count, block, part);
}

/* The block with `count` sources; part is NULL if they are its own points. */
NE_CLONES static void pairs_tile(size_t c, size_t count, const float *restrict z, pairs_block *restrict block,
                                 float *restrict part)
{
    if (c == 1) pairs_tile_of(1, !part, count, z, block, part);
    else if (c == 2) pairs_tile_of(2, !part, count, z, block, part);
    else pairs_tile_of(3, !part, count, z, block, part);
}

static size_t rows_of(size_t n, size_t b)
{
    return n - b * ROWS < ROWS ? n - b * ROWS : ROWS;
}

/* Block b with itself and with all blocks after it. Forces on its own points into f; on those of block a into part[a]. */
static double run_block(size_t n, size_t c, size_t b, const float *z, float *part, float *f)
{
    const size_t first = b * ROWS, rows = rows_of(n, b), blocks = (n + ROWS - 1) / ROWS;
    pairs_block  block = {0};
    double       q     = 0;

    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < c; k++) block.target[k][r] = z[(first + r) * c + k];
    pairs_tile(c, rows, z + first * c, &block, NULL);
    for (size_t a = b + 1; a < blocks; a++) pairs_tile(c, rows_of(n, a), z + a * ROWS * c, &block, part + a * ROWS * c);
    for (size_t r = 0; r < rows; r++) {
        for (size_t k = 0; k < c; k++) f[(first + r) * c + k] = (float)block.total[k][r];
        q += block.q_total[r];
    }
    return q;
}

ne_status repulse_pairs(ne_context *context, size_t n, size_t c, repulsion_job *job)
{
    const size_t blocks = (n + ROWS - 1) / ROWS;
    double      *q      = memory_new(&context->memory, blocks, sizeof *q);
    float       *part   = memory_new(&context->memory, blocks * n, c * sizeof *part);
    ne_status    status = q && part ? NE_OK : NE_OUT_OF_MEMORY;

    if (status == NE_OK) {
#pragma omp parallel num_threads(context_threads(context))
        {
#pragma omp for schedule(dynamic, 1)
            for (size_t b = 0; b < blocks; b++) q[b] = run_block(n, c, b, job->z, part + b * n * c, job->f);
#pragma omp for schedule(static)
            for (size_t b = 1; b < blocks; b++)
                for (size_t i = b * ROWS * c; i < (b * ROWS + rows_of(n, b)) * c; i++) {
                    double sum = (double)job->f[i];
                    for (size_t a = 0; a < b; a++) sum += (double)part[a * n * c + i];
                    job->f[i] = (float)sum;
                }
        }
        job->normaliser = 0;
        for (size_t b = 0; b < blocks; b++) job->normaliser += 2 * q[b];
    }
    memory_free(&context->memory, part);
    memory_free(&context->memory, q);
    return status;
}

/* metrics/trustworthiness.c: ranks by counting, see trustworthiness.h.
 *
 * r(i, j) = 1 + the number of rows l with (d(i, l), l) < (d(i, j), j), so nothing is sorted and no row of distances is
 * kept: n^2 distances go by in tiles of ROWS x COLS, and each is compared with the k thresholds d(i, j) of its row.
 *
 * The tile is |x_l|^2 - 2 x_i . x_l by SGEMM (2 n^2 d flop, nearly all of the time). Its rounding errors must not move a
 * rank, so each threshold becomes two, a proven error bound apart: rows below the first are nearer, rows above the
 * second are not, and the few between are decided by direct difference in double. So the score is exact whatever the
 * BLAS, the tile and the number of threads.
 *
 * The bound, u = 2^-24, N = |x|^2: a product of rows, summed in slices of DEPTH columns, is off by at most
 * (DEPTH + slices) u |x_i||x_l| in whatever order BLAS sums a slice; rounding x itself to float, the norms and the last
 * sum add less than 16 u (N_i + N_l). With 2 |x_i||x_l| <= N_i + N_l:
 *     |computed - true| <= slack (N_i + N_l),   slack = m / (1 - m),  m = (DEPTH + slices + 16) u.
 * Short slices so make few rows undecided. Data are centred first, which makes N small, and scaled by a power of two,
 * which makes overflow impossible. */
#include "metrics/trustworthiness.h"

#include "base/blas.h"
#include "base/clones.h"
#include "base/memory.h"
#include "base/view.h"
#include "metrics/knn_scores.h"

#include <float.h>
#include <math.h>
#include <omp.h>

/* A tile of 256 KiB stays in the second-level cache; PIECE is what is searched where one of its entries is undecided. */
enum {
    ROWS  = 256,
    COLS  = 256,
    DEPTH = 256,
    PIECE = 128
};

typedef struct ranking {
    const ne_dense *x;
    size_t          n, d, k;
    double          scale;         /* a power of two */
    double          slack, tiny;   /* error bounds: relative to norms, and of underflow */
    double         *centre;        /* d: mean row */
    float          *packed;        /* n x d: scaled and centred */
    double         *norm;          /* n: of packed rows */
    float          *upper, *lower; /* n: norm (1 +- slack) */
    const int32_t  *neighbors;     /* n x k, in y */
} ranking;

/* What one row of a tile is compared with. */
typedef struct threshold {
    double exact; /* d(i, j)^2, scaled */
    float  sure, maybe;
    size_t j;
} threshold;

/* --- Direct differences in double. Scaling by a power of two changes no bit but the exponent. */

NE_CLONES static double trustworthiness_distance_f32(const float *restrict a, const float *restrict b, size_t d,
                                                     double scale)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < d; j++) {
        const double t = (double)a[j] * scale - (double)b[j] * scale;
        sum += t * t;
    }
    return sum;
}

NE_CLONES static double trustworthiness_distance_f64(const double *restrict a, const double *restrict b, size_t d,
                                                     double scale)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < d; j++) {
        const double t = a[j] * scale - b[j] * scale;
        sum += t * t;
    }
    return sum;
}

static double exact_distance(const ranking *r, size_t i, size_t l)
{
    const size_t stride = view_stride(r->x);
    const void  *data   = r->x->data;
    return r->x->dtype == NE_F32 ? trustworthiness_distance_f32((const float *)data + i * stride,
                                                                (const float *)data + l * stride, r->d, r->scale)
                                 : trustworthiness_distance_f64((const double *)data + i * stride,
                                                                (const double *)data + l * stride, r->d, r->scale);
}

/* --- Data, scaled so that no column is wider than 2, centred and packed. */

/* Brings half_width into [0.5, 1), unless that took the largest number beyond the range of a double. */
static double power_of_two_for(double half_width, double largest)
{
    int width = 0, top = 0;
    frexp(half_width, &width);
    frexp(largest, &top);
    width = width < top - 1000 ? top - 1000 : width;
    return ldexp(1, width < -1000 ? 1000 : -width);
}

static void pack(ranking *r, double *least, double *most)
{
    double half_width = 0, largest = 0;
    for (size_t j = 0; j < r->d; j++) r->centre[j] = 0;
    for (size_t i = 0; i < r->n; i++)
        for (size_t j = 0; j < r->d; j++) {
            const double value = view_get(r->x, i, j);
            r->centre[j] += value / (double)r->n; /* a sum of shares cannot overflow */
            least[j] = i == 0 || value < least[j] ? value : least[j];
            most[j]  = i == 0 || value > most[j] ? value : most[j];
        }
    for (size_t j = 0; j < r->d; j++) {
        half_width = fmax(half_width, most[j] / 2 - least[j] / 2);
        largest    = fmax(largest, fmax(fabs(most[j]), fabs(least[j])));
    }
    r->scale = power_of_two_for(half_width, largest);

    for (size_t i = 0; i < r->n; i++) {
        double norm = 0;
        for (size_t j = 0; j < r->d; j++) {
            const float value       = (float)(view_get(r->x, i, j) * r->scale - r->centre[j] * r->scale);
            r->packed[i * r->d + j] = value;
            norm += (double)value * (double)value;
        }
        r->norm[i]  = norm;
        r->upper[i] = (float)(norm * (1 + r->slack));
        r->lower[i] = (float)(norm * (1 - r->slack));
    }
}

/* --- Counting. */

static threshold threshold_of(const ranking *r, size_t i, size_t j)
{
    threshold t = {.exact = exact_distance(r, i, j), .j = j};
    t.sure      = nextafterf((float)(t.exact - r->norm[i] * (1 + r->slack) - r->tiny), -FLT_MAX);
    t.maybe     = nextafterf((float)(t.exact - r->norm[i] * (1 - r->slack) + r->tiny), FLT_MAX);
    return t;
}

static int is_nearer(const ranking *r, size_t i, size_t l, const threshold *t)
{
    const double distance = exact_distance(r, i, l);
    return distance < t->exact || (distance == t->exact && l < t->j);
}

NE_CLONES static void trustworthiness_bounds(const float *restrict products, const float *restrict upper,
                                             const float *restrict lower, size_t count, float *restrict high,
                                             float *restrict low)
{
#pragma omp simd
    for (size_t l = 0; l < count; l++) {
        high[l] = products[l] + upper[l];
        low[l]  = products[l] + lower[l];
    }
}

/* Counts up to PIECE are whole numbers in float; as floats they need no 256-bit integers, which AVX has not. */
NE_CLONES static float trustworthiness_count(const float *restrict high, const float *restrict low, size_t count,
                                             float sure, float maybe, float *restrict undecided)
{
    float below = 0, possible = 0;
#pragma omp simd reduction(+ : below, possible)
    for (size_t l = 0; l < count; l++) {
        below += high[l] < sure ? 1.0f : 0.0f;
        possible += low[l] <= maybe ? 1.0f : 0.0f;
    }
    *undecided = possible - below;
    return below;
}

/* How many of the columns [l0, l0 + count) are nearer to i than j is. */
static size_t count_nearer(const ranking *r, size_t i, const threshold *t, const float *high, const float *low,
                           size_t l0, size_t count)
{
    size_t nearer = 0;
    for (size_t begin = 0; begin < count; begin += PIECE) {
        const size_t end = count - begin < PIECE ? count : begin + PIECE;
        float        undecided;
        nearer += (size_t)trustworthiness_count(high + begin, low + begin, end - begin, t->sure, t->maybe, &undecided);
        for (size_t l = begin; undecided > 0 && l < end; l++)
            if (low[l] <= t->maybe && !(high[l] < t->sure)) {
                nearer += l0 + l != t->j && is_nearer(r, i, l0 + l, t);
                undecided--;
            }
    }
    return nearer;
}

/* Sum over rows [i0, i0 + rows) of max(0, rank - k). tile: ROWS x COLS; thresholds, nearer: ROWS x k. */
static uint64_t rank_block(const ranking *r, size_t i0, size_t rows, float *tile, threshold *thresholds, size_t *nearer)
{
    uint64_t excess = 0;
    for (size_t i = 0; i < rows; i++)
        for (size_t m = 0; m < r->k; m++) {
            thresholds[i * r->k + m] = threshold_of(r, i0 + i, (size_t)r->neighbors[(i0 + i) * r->k + m]);
            nearer[i * r->k + m]     = 0;
        }
    for (size_t l0 = 0; l0 < r->n; l0 += COLS) {
        const size_t cols = r->n - l0 < COLS ? r->n - l0 : COLS;
        for (size_t j = 0; j < r->d; j += DEPTH)
            blas_sgemm_nt(rows, cols, r->d - j < DEPTH ? r->d - j : DEPTH, -2, r->packed + i0 * r->d + j, r->d,
                          r->packed + l0 * r->d + j, r->d, j > 0, tile, COLS);
        for (size_t i = 0; i < rows; i++) {
            float high[COLS], low[COLS];
            if (i0 + i >= l0 && i0 + i < l0 + cols) tile[i * COLS + i0 + i - l0] = INFINITY; /* not its own neighbor */
            trustworthiness_bounds(tile + i * COLS, r->upper + l0, r->lower + l0, cols, high, low);
            for (size_t m = 0; m < r->k; m++) {
                const size_t at = i * r->k + m;
                nearer[at] += count_nearer(r, i0 + i, thresholds + at, high, low, l0, cols);
            }
        }
    }
    for (size_t m = 0; m < rows * r->k; m++) excess += nearer[m] + 1 > r->k ? nearer[m] + 1 - r->k : 0;
    return excess;
}

ne_status trustworthiness_score(ne_context *context, const ne_dense *x, const ne_dense *y, size_t k, double *value)
{
    const ne_allocator *mem = &context->memory;
    const size_t        n = x->rows, d = x->cols, blocks = (n + ROWS - 1) / ROWS;
    const int           threads = context_threads(context);
    const double        margin  = (double)(DEPTH + d / DEPTH + 17) * 0x1p-24;
    ranking             r       = {.x = x, .n = n, .d = d, .k = k, .tiny = (double)d * (double)FLT_MIN};
    knn_result          near    = {0};
    uint64_t           *excess = NULL, total = 0;
    double             *range      = NULL;
    float              *tiles      = NULL;
    threshold          *thresholds = NULL;
    size_t             *nearer     = NULL;
    ne_status           st         = NE_OK;

    r.slack    = margin / (1 - margin);
    r.centre   = memory_new(mem, d, sizeof *r.centre);
    range      = memory_new(mem, d, 2 * sizeof *range);
    r.packed   = memory_new(mem, n, d * sizeof *r.packed);
    r.norm     = memory_new(mem, n, sizeof *r.norm);
    r.upper    = memory_new(mem, n, sizeof *r.upper);
    r.lower    = memory_new(mem, n, sizeof *r.lower);
    excess     = memory_new(mem, blocks, sizeof *excess);
    tiles      = memory_new(mem, (size_t)threads, ROWS * COLS * sizeof *tiles);
    thresholds = memory_new(mem, (size_t)threads, ROWS * k * sizeof *thresholds);
    nearer     = memory_new(mem, (size_t)threads, ROWS * k * sizeof *nearer);
    if (!r.centre || !range || !r.packed || !r.norm || !r.upper || !r.lower || !excess || !tiles || !thresholds ||
        !nearer) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if ((st = knn_score_search(context, y, k, &near)) != NE_OK) goto done;
    r.neighbors = near.index;
    pack(&r, range, range + d);

    blas_enter();
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (size_t b = 0; b < blocks; b++) {
        const size_t t = (size_t)omp_get_thread_num(), i0 = b * ROWS, rows = n - i0 < ROWS ? n - i0 : ROWS;
        excess[b] = rank_block(&r, i0, rows, tiles + t * ROWS * COLS, thresholds + t * ROWS * k, nearer + t * ROWS * k);
    }
    blas_leave();

    for (size_t b = 0; b < blocks; b++) total += excess[b];
    *value = 1 - 2 * (double)total / ((double)n * (double)k * (2 * (double)n - 3 * (double)k - 1));
done:
    knn_score_clear(context, &near);
    memory_free(mem, r.centre);
    memory_free(mem, range);
    memory_free(mem, r.packed);
    memory_free(mem, r.norm);
    memory_free(mem, r.upper);
    memory_free(mem, r.lower);
    memory_free(mem, excess);
    memory_free(mem, tiles);
    memory_free(mem, thresholds);
    memory_free(mem, nearer);
    return st;
}

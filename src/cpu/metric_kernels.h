/* cpu/metric_kernels.h: the loops of the metrics, written once and included twice by metric.c, with REAL and NAME(x)
 * set for float and for double.
 *
 * LANES partial sums stand side by side, so that one addition does not wait for the last; they are added in one fixed
 * order, by halves. The term of a column goes to the same lane whatever the vector width: only fused multiply-adds make
 * the bits of one clone differ from another's. Sums of products are taken in double, where a product of two floats is
 * exact. */

/* TERM sees c, the column, and l, the lane of the sums that it adds to. */
#define OVER_COLUMNS(TERM)                                                                                             \
    size_t whole = d / LANES * LANES;                                                                                  \
    for (size_t j = 0; j < whole; j += LANES)                                                                          \
        for (size_t l = 0; l < LANES; l++) {                                                                           \
            const size_t c = j + l;                                                                                    \
            TERM                                                                                                       \
        }                                                                                                              \
    for (size_t l = 0; l < d - whole; l++) {                                                                           \
        const size_t c = whole + l;                                                                                    \
        TERM                                                                                                           \
    }

#define ADD_LANES(s)                                                                                                   \
    for (size_t half = LANES / 2; half; half /= 2)                                                                     \
        for (size_t l = 0; l < half; l++) s[l] += s[l + half];

NE_CLONES static REAL NAME(metric_sum_squares)(const REAL *restrict a, const REAL *restrict b, size_t d)
{
    REAL s[LANES] = {0};
    OVER_COLUMNS(const REAL t = a[c] - b[c]; s[l] += t * t;)
    ADD_LANES(s)
    return s[0];
}

NE_CLONES static REAL NAME(metric_sum_absolutes)(const REAL *restrict a, const REAL *restrict b, size_t d)
{
    REAL s[LANES] = {0};
    OVER_COLUMNS(const REAL t = a[c] - b[c]; s[l] += t < 0 ? -t : t;)
    ADD_LANES(s)
    return s[0];
}

NE_CLONES static REAL NAME(metric_largest)(const REAL *restrict a, const REAL *restrict b, size_t d)
{
    REAL s[LANES] = {0};
    OVER_COLUMNS(const REAL t = a[c] < b[c] ? b[c] - a[c] : a[c] - b[c]; s[l] = s[l] < t ? t : s[l];)
    for (size_t l = 1; l < LANES; l++) s[0] = s[0] < s[l] ? s[l] : s[0];
    return s[0];
}

/* Counts are exact up to 2^24 a lane in float. */
NE_CLONES static REAL NAME(metric_count_unequal)(const REAL *restrict a, const REAL *restrict b, size_t d)
{
    REAL s[LANES] = {0};
    OVER_COLUMNS(s[l] += a[c] != b[c] ? (REAL)1 : (REAL)0;)
    ADD_LANES(s)
    return s[0];
}

NE_CLONES static REAL NAME(metric_count_either)(const REAL *restrict a, const REAL *restrict b, size_t d, REAL *both)
{
    REAL s[LANES] = {0}, t[LANES] = {0};
    OVER_COLUMNS(const REAL p = a[c] != 0 ? (REAL)1 : (REAL)0; const REAL q = b[c] != 0 ? (REAL)1 : (REAL)0;
                 s[l] += p + q - p * q; t[l] += p * q;)
    ADD_LANES(s)
    ADD_LANES(t)
    *both = t[0];
    return s[0];
}

NE_CLONES static double NAME(metric_inner_product)(const REAL *restrict a, const REAL *restrict b, size_t d)
{
    double s[LANES] = {0};
    OVER_COLUMNS(s[l] += (double)a[c] * (double)b[c];)
    ADD_LANES(s)
    return s[0];
}

NE_CLONES static double NAME(metric_row_sum)(const REAL *restrict a, size_t d)
{
    double s[LANES] = {0};
    OVER_COLUMNS(s[l] += (double)a[c];)
    ADD_LANES(s)
    return s[0];
}

/* sum ((a - shift) scale)^2 */
NE_CLONES static double NAME(metric_row_squares)(const REAL *restrict a, double shift, double scale, size_t d)
{
    double s[LANES] = {0};
    OVER_COLUMNS(const double t = ((double)a[c] - shift) * scale; s[l] += t * t;)
    ADD_LANES(s)
    return s[0];
}

/* sum ((a - shift[0]) scale[0] - (b - shift[1]) scale[1])^2: for unit rows 2 (1 - cosine), without its cancellation. */
NE_CLONES static double NAME(metric_unit_squares)(const REAL *restrict a, const REAL *restrict b, const double shift[2],
                                                  const double scale[2], size_t d)
{
    double       s[LANES] = {0};
    const double p = shift[0], q = shift[1], f = scale[0], g = scale[1];
    OVER_COLUMNS(const double t = ((double)a[c] - p) * f - ((double)b[c] - q) * g; s[l] += t * t;)
    ADD_LANES(s)
    return s[0];
}

/* |a - b| as unit sqrt(sum), in a unit in which the sum of squares is of the order of d; unit is 0 for equal rows. */
static double NAME(metric_scaled_squares)(const REAL *a, const REAL *b, size_t d, double *unit)
{
    double half = 0, s = 0; /* of the largest difference, which may itself be out of range */
    for (size_t c = 0; c < d; c++) half = fmax(half, fabs(0.5 * (double)a[c] - 0.5 * (double)b[c]));
    for (size_t c = 0; c < d && half > 0; c++) {
        const double t = (0.5 * (double)a[c] - 0.5 * (double)b[c]) / half;
        s += t * t;
    }
    *unit = 2 * half;
    return s;
}

void NAME(metric_unit)(const REAL *a, size_t d, int centred, double *shift, double *scale)
{
    const double mean    = centred ? NAME(metric_row_sum)(a, d) / (double)d : 0;
    const double nothing = 4 * DBL_EPSILON * fabs(mean) * sqrt((double)d); /* rounding of a constant row's mean */
    double       within = 1, squares = NAME(metric_row_squares)(a, mean, 1, d);
    if (!(squares > 1e-290 && squares < 1e290)) {
        double largest = 0;
        for (size_t c = 0; c < d; c++) largest = fmax(largest, fabs((double)a[c] - mean));
        within  = largest > DBL_MIN ? 1 / largest : 0;
        squares = NAME(metric_row_squares)(a, mean, within, d);
    }
    const double length = sqrt(squares);
    *shift              = mean;
    *scale              = length > nothing * within ? within / length : 0;
}

static double NAME(metric_unit_distance)(const REAL *a, const REAL *b, size_t d, int centred)
{
    double shift[2], scale[2], distance;
    NAME(metric_unit)(a, d, centred, &shift[0], &scale[0]);
    NAME(metric_unit)(b, d, centred, &shift[1], &scale[1]);
    if (scale[0] > 0 && scale[1] > 0) distance = 0.5 * NAME(metric_unit_squares)(a, b, shift, scale, d);
    else distance = scale[0] > 0 || scale[1] > 0 ? 1 : 0;
    return distance;
}

/* --- The metrics, as the tables hold them. */

static double NAME(sqeuclidean)(const REAL *a, const REAL *b, size_t d, void *user)
{
    const REAL s = NAME(metric_sum_squares)(a, b, d);
    double     unit;
    (void)user;
    if (s > SAFE_MIN && s < SAFE_MAX) return (double)s;
    const double careful = NAME(metric_scaled_squares)(a, b, d, &unit);
    return unit * unit * careful;
}

static double NAME(euclidean)(const REAL *a, const REAL *b, size_t d, void *user)
{
    const REAL s = NAME(metric_sum_squares)(a, b, d);
    double     unit;
    (void)user;
    if (s > SAFE_MIN && s < SAFE_MAX) return sqrt((double)s);
    const double careful = NAME(metric_scaled_squares)(a, b, d, &unit);
    return unit * sqrt(careful);
}

static double NAME(manhattan)(const REAL *a, const REAL *b, size_t d, void *user)
{
    const REAL s   = NAME(metric_sum_absolutes)(a, b, d);
    double     sum = (double)s;
    (void)user;
    if (!(s < SAFE_MAX)) {
        sum = 0;
        for (size_t c = 0; c < d; c++) sum += fabs((double)a[c] - (double)b[c]);
    }
    return sum;
}

static double NAME(chebyshev)(const REAL *a, const REAL *b, size_t d, void *user)
{
    (void)user;
    return (double)NAME(metric_largest)(a, b, d);
}

static double NAME(cosine)(const REAL *a, const REAL *b, size_t d, void *user)
{
    (void)user;
    return NAME(metric_unit_distance)(a, b, d, 0);
}

static double NAME(angular)(const REAL *a, const REAL *b, size_t d, void *user)
{
    (void)user;
    return -NAME(metric_inner_product)(a, b, d);
}

static double NAME(correlation)(const REAL *a, const REAL *b, size_t d, void *user)
{
    (void)user;
    return NAME(metric_unit_distance)(a, b, d, 1);
}

static double NAME(hamming)(const REAL *a, const REAL *b, size_t d, void *user)
{
    (void)user;
    return share_unequal((double)NAME(metric_count_unequal)(a, b, d), d);
}

static double NAME(jaccard)(const REAL *a, const REAL *b, size_t d, void *user)
{
    REAL       both;
    const REAL either = NAME(metric_count_either)(a, b, d, &both);
    (void)user;
    return share_unshared((double)both, (double)either);
}

#undef OVER_COLUMNS
#undef ADD_LANES

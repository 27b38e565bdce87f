/* tests/oracle/scores.h: what other libraries say; printed by scores.py with scikit-learn 1.9.1,
 * scipy 1.17.1 and numpy 2.4.6. */
enum {
    ORACLE_ROWS    = 331,
    ORACLE_COLS    = 23,
    ORACLE_CLASSES = 5
};

static const struct {
    size_t k;
    double trustworthiness, preservation, accuracy, agreement;
} oracle_scores[] = {
    {1, 0.795553678179, 0.021148036254, 0.676737160121, 0.676737160121},
    {5, 0.798799023505, 0.068277945619, 0.661631419940, 0.651359516616},
    {15, 0.810309831156, 0.178650553877, 0.697885196375, 0.615105740181},
    {165, 0.913029541952, 0.820177606885, 0.386706948640, 0.373175867436},
};

static const struct {
    const char *metric;
    double      of_x, of_y;
} oracle_silhouettes[] = {
    {"euclidean", 0.030184762188, 0.126464585620},   {"manhattan", 0.026853351409, 0.120312369352},
    {"sqeuclidean", 0.058201328036, 0.199505414595}, {"chebyshev", 0.053879704238, 0.133843469283},
    {"cosine", -0.023783022780, -0.303198192301},
};

static const struct {
    size_t classes; /* of the other labels: column 3 in as many steps, or the label modulo 3 */
    double rand;
} oracle_rand[] = {
    {1, 0.000000000000},
    {2, -0.003081007524},
    {3, 0.648224722843},
    {40, 0.001044707790},
};

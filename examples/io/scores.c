/* io/scores.c: a table of scores, from which they are read, printed and explained. */
#include "io/scores.h"
#include "io/flags.h"

#include <math.h>
#include <string.h>

enum {
    NEIGHBORS       = 15,
    TRUST_ROWS      = 5000,
    SILHOUETTE_ROWS = 20000,
    NOTE_TEXT       = 96
};

static const double PERPLEXITY = 30;

/* note receives what stands in brackets behind the value. */
typedef ne_status (*score_fn)(const scores_request *of, size_t k, double *value, char note[NOTE_TEXT]);

typedef struct score {
    const char *name, *alias; /* alias: TorchDR's name, or NULL */
    const char *help;
    score_fn    take;
    int         neighbors, labelled, rows; /* whether it looks at k neighbors, at labels, at the rows of the data */
} score;

/* --- Each of them */

/* Neighbors of sparse rows, as many as an entropic affinity of dense ones looks at, and by the same metric. */
static ne_status sparse_affinity(const scores_request *of, double perplexity, ne_affinity *affinity, ne_graph **made)
{
    const size_t others    = of->sparse->rows - 1;
    const double neighbors = 3 * perplexity;
    ne_graph    *graph     = NULL;
    ne_status    st        = ne_graph_create(of->context, &graph);
    if (st == NE_OK) st = ne_graph_set(graph, "metric", "sqeuclidean");
    if (st == NE_OK)
        st = ne_graph_set_int(graph, "n_neighbors", neighbors < (double)others ? (int64_t)neighbors : (int64_t)others);
    if (st == NE_OK) st = ne_graph_build_sparse(graph, of->sparse);
    if (st == NE_OK) st = ne_affinity_compute_graph(affinity, graph, made);
    ne_graph_free(graph);
    return st;
}

static ne_status take_kl(const scores_request *of, size_t k, double *value, char note[NOTE_TEXT])
{
    const double perplexity = of->perplexity > 0 ? of->perplexity : PERPLEXITY;
    ne_affinity *affinity   = NULL;
    ne_graph    *graph      = NULL;
    ne_status    st         = NE_OK;
    (void)k;
    if (of->embedding) return ne_embedding_get_real(of->embedding, "kl", value);
    st = ne_affinity_create(of->context, "entropic", &affinity);
    if (st == NE_OK) st = ne_affinity_set_real(affinity, "perplexity", perplexity);
    if (st == NE_OK)
        st = of->sparse ? sparse_affinity(of, perplexity, affinity, &graph)
                        : ne_affinity_compute(affinity, of->x, &graph);
    if (st == NE_OK) st = ne_score_kl(of->context, graph, of->y, 1, value);
    if (st == NE_OK) snprintf(note, NOTE_TEXT, "perplexity = %g", perplexity);
    ne_graph_free(graph);
    ne_affinity_free(affinity);
    return st;
}

/* Every step-th row, without a copy: a view with a longer stride. */
static ne_dense every(const ne_dense *from, size_t step)
{
    ne_dense view = *from;
    view.stride   = step * (from->stride ? from->stride : from->cols);
    view.rows     = (from->rows + step - 1) / step;
    return view;
}

static ne_dense trust_rows(const scores_request *of, const ne_dense *from)
{
    const size_t most = of->sample ? of->sample : TRUST_ROWS;
    return every(from, (from->rows + most - 1) / most);
}

static ne_status take_trustworthiness(const scores_request *of, size_t k, double *value, char note[NOTE_TEXT])
{
    const ne_dense x = trust_rows(of, of->x), y = trust_rows(of, of->y);
    const int      used = snprintf(note, NOTE_TEXT, "k = %zu", k);
    if (x.rows < of->x->rows)
        snprintf(note + used, NOTE_TEXT - (size_t)used, ", on %zu rows: one of every %zu", x.rows,
                 x.stride / (of->x->stride ? of->x->stride : of->x->cols));
    return ne_score_trustworthiness(of->context, &x, &y, k, value);
}

static ne_status take_preservation(const scores_request *of, size_t k, double *value, char note[NOTE_TEXT])
{
    snprintf(note, NOTE_TEXT, "k = %zu", k);
    return ne_score_knn_preservation(of->context, of->x, of->y, k, value);
}

static ne_status take_accuracy(const scores_request *of, size_t k, double *value, char note[NOTE_TEXT])
{
    snprintf(note, NOTE_TEXT, "k = %zu", k);
    return ne_score_knn_accuracy(of->context, of->y, of->classes->code, k, value);
}

static ne_status take_agreement(const scores_request *of, size_t k, double *value, char note[NOTE_TEXT])
{
    snprintf(note, NOTE_TEXT, "k = %zu", k);
    return ne_score_knn_label_agreement(of->context, of->y, of->classes->code, k, value);
}

static ne_status take_silhouette(const scores_request *of, size_t k, double *value, char note[NOTE_TEXT])
{
    const size_t     n = of->y->rows, most = of->sample ? of->sample : SILHOUETTE_ROWS;
    ne_score_options options = {.struct_size = sizeof options, .sample = n > most ? most : 0};
    (void)k;
    if (options.sample) snprintf(note, NOTE_TEXT, "on %zu rows, drawn at random", options.sample);
    return ne_score_silhouette(of->context, of->y, of->classes->code, &options, NULL, value);
}

static ne_status take_ari(const scores_request *of, size_t k, double *value, char note[NOTE_TEXT])
{
    (void)k;
    snprintf(note, NOTE_TEXT, "%zu clusters", of->classes->classes);
    return ne_score_kmeans_ari(of->context, of->y, of->classes->code, NULL, NULL, value);
}

static const score SCORES[] = {
    {"kl", NULL, "Kullback-Leibler divergence of t-SNE, in nats", take_kl, 0, 0, 0},
    {"trustworthiness", NULL, "are neighbors in the picture neighbors in the data? 1 is best", take_trustworthiness, 1,
     0, 1},
    {"knn_preservation", "neighborhood_preservation",
     "share of neighbors in the data that are neighbors in the picture", take_preservation, 1, 0, 1},
    {"knn_accuracy", NULL, "share of rows whose neighbors vote for its label", take_accuracy, 1, 1, 0},
    {"knn_label_agreement", "knn_label_accuracy", "share of neighbors that have the row's label", take_agreement, 1, 1,
     0},
    {"silhouette", "silhouette_score", "are rows nearer to those of their label than to others? -1 to 1",
     take_silhouette, 0, 1, 0},
    {"kmeans_ari", NULL, "adjusted Rand index of the labels and of k-means; 1 is best", take_ari, 0, 1, 0},
};

enum {
    SCORE_TOTAL = sizeof SCORES / sizeof *SCORES
};

/* --- Lists of them */

static int is_word(const char *word, const char *name, size_t length)
{
    return word && strlen(word) == length && strncmp(word, name, length) == 0;
}

static const score *score_find(const char *name, size_t length)
{
    for (size_t i = 0; i < SCORE_TOTAL; i++)
        if (is_word(SCORES[i].name, name, length) || is_word(SCORES[i].alias, name, length)) return &SCORES[i];
    return NULL;
}

/* The first part of the list that is no score; NULL when all are. */
static const char *first_unknown(const char *list)
{
    for (const char *at = list; at;) {
        const size_t length = strcspn(at, ",");
        if (!score_find(at, length)) return at;
        at = at[length] ? at + length + 1 : NULL;
    }
    return NULL;
}

int scores_are_named(const char *list)
{
    return first_unknown(list) == NULL;
}

ne_status scores_check(const char *list)
{
    const char *wrong = *list ? first_unknown(list) : NULL;
    size_t      least = SIZE_MAX, best = 0;
    char        word[32];
    if (!wrong) return NE_OK;
    snprintf(word, sizeof word, "%.*s", (int)strcspn(wrong, ","), wrong);
    for (size_t i = 0; i < SCORE_TOTAL; i++) {
        const size_t distance = flags_word_distance(word, SCORES[i].name);
        if (distance < least) {
            least = distance;
            best  = i;
        }
    }
    return least <= 3 ? ne_fail(NE_UNKNOWN_NAME, "--score: unknown '%s'; did you mean '%s'?", word, SCORES[best].name)
                      : ne_fail(NE_UNKNOWN_NAME, "--score: unknown '%s'; --help lists the scores", word);
}

static int is_named(const char *list, const score *of)
{
    for (const char *at = list; *list && at;) {
        const size_t length = strcspn(at, ",");
        if (score_find(at, length) == of) return 1;
        at = at[length] ? at + length + 1 : NULL;
    }
    return 0;
}

static int are_classes(const labels *of)
{
    return of->count > 0 && labels_are_integers(of); /* fractions are no classes */
}

ne_status scores_check_data(const char *list, const labels *classes, int is_sparse)
{
    for (size_t i = 0; i < SCORE_TOTAL; i++) {
        if (!is_named(list, &SCORES[i])) continue;
        if (SCORES[i].labelled && !are_classes(classes))
            return ne_fail(NE_INVALID_ARGUMENT, "--score: %s needs labels that are words or whole numbers",
                           SCORES[i].name);
        if (SCORES[i].rows && is_sparse)
            return ne_fail(NE_INVALID_ARGUMENT,
                           "--score: %s needs rows that are not sparse; --dense fills in the zeros", SCORES[i].name);
    }
    return NE_OK;
}

void scores_help(int column, FILE *file)
{
    for (size_t i = 0; i < SCORE_TOTAL; i++) {
        fprintf(file, "  %-*s%s\n", column, SCORES[i].name, SCORES[i].help);
        if (SCORES[i].alias) fprintf(file, "  %-*sor by TorchDR's name, %s\n", column, "", SCORES[i].alias);
    }
}

ne_status scores_print(const scores_request *request, FILE *file)
{
    const size_t k   = request->k ? request->k : NEIGHBORS;
    const int    few = 2 * k >= trust_rows(request, request->y).rows, all = !*request->names;
    int          said = 0, left_out = 0;
    for (size_t i = 0; i < SCORE_TOTAL; i++) {
        const score *of              = &SCORES[i];
        const int    named           = is_named(request->names, of);
        double       value           = NAN;
        char         note[NOTE_TEXT] = "";
        if ((!all && !named) || (of->labelled && !are_classes(request->classes))) continue;
        if (of->rows && request->sparse) {
            if (!left_out++)
                fprintf(file, "%sscores that compare with the data need --dense: it is sparse\n", request->prefix);
            continue;
        }
        if (of->neighbors && few && all) {
            if (!said++)
                fprintf(file, "%sscores of %zu neighbors need more than %zu rows\n", request->prefix, k, 2 * k);
            continue;
        }
        const ne_status st = of->take(request, k, &value, note);
        if (!named && of->take == take_kl && (st == NE_UNKNOWN_NAME || st == NE_UNSUPPORTED || st == NE_OUT_OF_RANGE))
            continue; /* this method has none, or these are too few rows */
        if (st != NE_OK) return st;
        if (isnan(value) && !named) continue;
        fprintf(file, "%s%s %.6f%s%s%s\n", request->prefix, of->name, value, *note ? " (" : "", note, *note ? ")" : "");
    }
    return NE_OK;
}

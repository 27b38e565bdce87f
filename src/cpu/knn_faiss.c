/* cpu/knn_faiss.c: see knn_faiss.h. Packed rows go to the plug-in, ids come back, some more than k since the order of
 * floats is not quite that of the metric; the metric measures them and the nearest k stay. Memory beside the result:
 * the packed rows, 8 bytes an id, and what faiss takes of its own. */
#include "cpu/knn_faiss.h"

#include "backend/plugin.h"
#include "cpu/knn_faiss_abi.h"
#include "cpu/knn_pilot.h"
#include "cpu/top_k.h"

#include <limits.h>
#include <omp.h>
#include <string.h>

enum {
    EXTRA = 8 /* found beyond k + 1 */
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static ne_status find_plugin(void **library, knn_faiss_search_fn *search)
{
    char       tried[PATH_MAX];
    const int *version;
    void      *symbol;
    *library = plugin_open(KNN_FAISS_PLUGIN, &backend_cpu, tried, sizeof tried);
    if (!*library)
        return ne_fail(NE_UNSUPPORTED,
                       "knn: faiss needs the plug-in " KNN_FAISS_PLUGIN
                       " beside the library or in NE_PLUGIN_PATH; it is "
                       "built where faiss is installed (Debian and Ubuntu: apt-get install libfaiss-dev). %s",
                       plugin_error());
    version = plugin_symbol(*library, KNN_FAISS_VERSION);
    symbol  = plugin_symbol(*library, KNN_FAISS_SYMBOL);
    if (!version || !symbol || *version != KNN_FAISS_ABI)
        return ne_fail(NE_UNSUPPORTED, "knn: %s is not of this version of the library", tried);
    memcpy(search, &symbol, sizeof symbol); /* C has no conversion between the two kinds of pointer */
    return NE_OK;
}

/* Codes are of equal numbers of columns; zeros fill up the last one. */
static size_t index_columns(size_t width, const faiss_options *o)
{
    const size_t m = (size_t)o->pq_m;
    return o->index == FAISS_IVFPQ ? (width + m - 1) / m * m : width;
}

/* What the options leave open is chosen from the number of rows. */
static knn_faiss_job make_job(const ne_context *context, const knn_rows *rows, const faiss_options *o, size_t k)
{
    const int64_t n     = (int64_t)rows->count;
    int64_t       lists = 1;
    while (lists * lists < 4 * n && lists * 39 < n) lists++; /* faiss trains on 39 rows a list, at least */
    if (o->nlist) lists = o->nlist < n ? o->nlist : n;
    return (knn_faiss_job){.n               = rows->count,
                           .d               = index_columns(rows->width, o),
                           .k               = k,
                           .threads         = context_threads(context),
                           .index           = o->index,
                           .nlist           = lists,
                           .nprobe          = o->nprobe < lists ? o->nprobe : lists,
                           .hnsw_m          = o->hnsw_m,
                           .pq_m            = o->pq_m,
                           .pq_bits         = o->pq_bits,
                           .ef_construction = o->ef_construction,
                           .ef_search       = o->ef_search ? o->ef_search : (int64_t)(k + k / 4)};
}

static ne_status check_codes(const knn_rows *rows, const faiss_options *o)
{
    if (o->index != FAISS_IVFPQ) return NE_OK;
    if (o->pq_m > (int64_t)rows->width)
        return ne_fail(NE_OUT_OF_RANGE, "faiss_pq_m: %lld, x has %zu columns", (long long)o->pq_m, rows->width);
    if (1ll << o->pq_bits > (long long)rows->count)
        return ne_fail(NE_OUT_OF_RANGE, "faiss_pq_bits: %lld takes %lld rows that differ, x has %zu",
                       (long long)o->pq_bits, 1ll << o->pq_bits, rows->count);
    return NE_OK;
}

/* How many are to be found for each row, itself among them: codes are coarse, and it is here that they are put right. */
static size_t found_rows(size_t n, size_t k, const faiss_options *o)
{
    return smaller((o->index == FAISS_IVFPQ ? 2 : 1) * (k + 1) + EXTRA, n);
}

/* The nearest k of row i out of what was found; 1 where they are fewer. */
static int take_row(const knn_search *search, size_t i, const int64_t *found, size_t many, uint64_t *key,
                    int32_t *index, float *distance)
{
    size_t count = 0;
    for (size_t a = 0; a < many; a++) {
        const uint32_t id = (uint32_t)found[a];
        float          one;
        if (found[a] < 0 || (search->skip_self && id == i)) continue;
        knn_rows_distances(search->rows, i, &id, 1, &one);
        key[count++] = top_k_key(one, id);
    }
    top_k_sort(key, count);
    for (size_t a = 0; a < smaller(search->k, count); a++) {
        index[a]    = (int32_t)top_k_id(key[a]);
        distance[a] = top_k_value(key[a]);
    }
    return count < search->k;
}

static ne_status take(ne_context *context, const knn_search *search, const knn_faiss_job *job, int32_t *index,
                      float *distance)
{
    const size_t k = search->k, threads = (size_t)context_threads(context);
    uint64_t    *key     = memory_new(&context->memory, threads, job->k * sizeof *key);
    size_t      *lacking = memory_zero(&context->memory, threads, sizeof *lacking); /* rows */
    ne_status    st      = NE_OK;
    if (!key || !lacking) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i = 0; i < search->rows->count; i++) {
        const size_t t = (size_t)omp_get_thread_num();
        lacking[t] += (size_t)take_row(search, i, job->found + i * job->k, job->k, key + t * job->k, index + i * k,
                                       distance + i * k);
    }
    for (size_t t = 1; t < threads; t++) lacking[0] += lacking[t];
    if (lacking[0])
        st = ne_fail(NE_NOT_CONVERGED,
                     "knn: faiss found fewer than %zu neighbors of %zu rows; raise faiss_nprobe or faiss_ef_search", k,
                     lacking[0]);
done:
    memory_free(&context->memory, key);
    memory_free(&context->memory, lacking);
    return st;
}

ne_status knn_faiss(ne_context *context, const knn_search *search, const faiss_options *options, int32_t *index,
                    float *distance, double *recall, int *exact)
{
    const ne_allocator *mem       = &context->memory;
    const knn_rows     *rows      = search->rows;
    ne_status           st        = NE_OK;
    void               *library   = NULL;
    knn_faiss_search_fn find      = NULL;
    float              *packed    = NULL;
    int64_t            *found     = NULL;
    knn_pilot           pilot     = {0};
    char                text[256] = "";

    if (rows->space != KNN_EUCLIDEAN)
        return ne_fail(NE_UNSUPPORTED, "metric: %s, knn=faiss takes sqeuclidean, euclidean, cosine and correlation",
                       rows->metric->name);
    if ((st = check_codes(rows, options)) != NE_OK) goto done;
    if ((st = find_plugin(&library, &find)) != NE_OK) goto done;
    knn_faiss_job job = make_job(context, rows, options, found_rows(rows->count, search->k, options));
    packed            = memory_zero(mem, rows->count, job.d * sizeof *packed);
    found             = memory_new(mem, rows->count, job.k * sizeof *found);
    if (!packed || !found) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i = 0; i < rows->count; i++) knn_rows_pack(rows, NULL, i, 1, packed + i * job.d);
    job.rows       = packed;
    job.found      = found;
    job.error      = text;
    job.error_size = sizeof text;
    if (find(&job)) {
        st = ne_fail(NE_INTERNAL, "knn: faiss says: %s", text);
        goto done;
    }
    if (progress_report(search->progress, "knn", 1, 1)) {
        st = ne_fail(NE_CANCELLED, "knn: cancelled by the progress callback");
        goto done;
    }
    if ((st = take(context, search, &job, index, distance)) != NE_OK) goto done;
    if ((st = knn_pilot_create(context, search, search->seed, &pilot)) != NE_OK) goto done;
    *recall = knn_pilot_recall(&pilot, distance);
    *exact  = 0; /* flat search is exact but for the rounding of its float products */
done:
    knn_pilot_clear(mem, &pilot);
    memory_free(mem, packed);
    memory_free(mem, found);
    return st;
}

double knn_faiss_bytes(double n, double width, double k, const faiss_options *options)
{
    return n * (double)index_columns((size_t)width, options) * sizeof(float) +
           n * (double)found_rows((size_t)n, (size_t)k, options) * sizeof(int64_t);
}

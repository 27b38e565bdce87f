/* api/embedding.c: the embedding handle. */
#define NE_EXPERIMENTAL 1
#include "embedding/check.h"
#include "embedding/embedding.h"

#include "api/api.h"
#include "base/registry.h"
#include "base/view.h"

#include <math.h>
#include <string.h>

ne_status ne_embedding_create(ne_context *context, const char *name, ne_embedding **embedding)
{
    if (!context || !name || !embedding) return api_null(!context ? "context" : !name ? "name" : "embedding");
    const ne_method_ops *ops = registry_find(REGISTRY_METHOD, name);
    return ops ? embedding_new(context, ops, embedding) : NE_UNKNOWN_NAME;
}

void ne_embedding_free(ne_embedding *embedding)
{
    embedding_free(embedding);
}

/* What a progress callback may not do to the embedding that called it. */
static ne_status check_free(const ne_embedding *embedding)
{
    return !embedding ? api_null("embedding")
           : embedding->busy
               ? ne_fail(NE_INVALID_ARGUMENT, "embedding: inside its own progress callback it can only be read")
               : NE_OK;
}

/* --- Options and results ----------------------------------------------------------------------------------------- */

ne_status ne_embedding_set(ne_embedding *embedding, const char *name, const char *text)
{
    char      before[NE_NAME_SIZE] = "";
    ne_status st                   = check_free(embedding);
    if (st != NE_OK) return st;
    const int chooses = name && (strcmp(name, "affinity_in") == 0 || strcmp(name, "affinity_out") == 0);
    if (chooses) options_get(&embedding->options, name, before, sizeof before);
    st = options_set(&embedding->options, name, text);
    if (st == NE_OK && chooses && (st = embedding_choose(embedding, name)) != NE_OK)
        options_set(&embedding->options, name, before);
    return st;
}

ne_status ne_embedding_set_real(ne_embedding *embedding, const char *name, double value)
{
    const ne_status st = check_free(embedding);
    return st == NE_OK ? options_set_real(&embedding->options, name, value) : st;
}

ne_status ne_embedding_set_int(ne_embedding *embedding, const char *name, int64_t value)
{
    const ne_status st = check_free(embedding);
    return st == NE_OK ? options_set_int(&embedding->options, name, value) : st;
}

ne_status ne_embedding_set_array(ne_embedding *embedding, const char *name, const ne_dense *values)
{
    float    *copy = NULL;
    ne_status st   = check_free(embedding);
    if (st != NE_OK) return st;
    if (!name) return api_null("name");
    if (strcmp(name, "init") != 0 || embedding->ops->fit)
        return ne_fail(NE_UNKNOWN_NAME, "unknown array option '%s'%s", name,
                       embedding->ops->fit ? "" : "; did you mean 'init'?");
    if (values) {
        if ((st = view_check(values, "init")) != NE_OK || (st = view_check_finite_f32(values, "init")) != NE_OK)
            return st;
        copy = memory_new(&embedding->context->memory, values->rows * values->cols, sizeof *copy);
        if (!copy) return NE_OUT_OF_MEMORY;
        view_read_f32(values, copy);
    }
    st = options_set(&embedding->options, "init", values ? "array" : "pca");
    memory_free(&embedding->context->memory, embedding->init);
    embedding->init      = copy;
    embedding->init_rows = values ? values->rows : 0;
    embedding->init_cols = values ? values->cols : 0;
    return st;
}

ne_status ne_embedding_get(const ne_embedding *embedding, const char *name, char *text, size_t size)
{
    return embedding ? options_get(&embedding->options, name, text, size) : api_null("embedding");
}

ne_status ne_embedding_get_real(const ne_embedding *embedding, const char *name, double *value)
{
    int       found = 0;
    ne_status st;
    if (!embedding || !name || !value) return api_null(!embedding ? "embedding" : !name ? "name" : "value");
    st = result_real(embedding, name, value, &found);
    return found ? st : options_get_real(&embedding->options, name, value);
}

ne_status ne_embedding_get_int(const ne_embedding *embedding, const char *name, int64_t *value)
{
    double    real  = 0;
    int       found = 0;
    ne_status st;
    if (!embedding || !name || !value) return api_null(!embedding ? "embedding" : !name ? "name" : "value");
    st = result_real(embedding, name, &real, &found);
    if (!found) return options_get_int(&embedding->options, name, value);
    if (st == NE_OK && real != floor(real)) st = ne_fail(NE_INVALID_ARGUMENT, "%s: is not a whole number", name);
    if (st == NE_OK) *value = (int64_t)real;
    return st;
}

ne_status ne_embedding_get_array(const ne_embedding *embedding, const char *name, double *values, size_t count)
{
    if (!embedding || !name || !values) return api_null(!embedding ? "embedding" : !name ? "name" : "values");
    return result_array(embedding, name, values, count);
}

size_t ne_embedding_option_count(const ne_embedding *embedding)
{
    return embedding ? options_count(&embedding->options) : 0;
}

ne_status ne_embedding_option_info(const ne_embedding *embedding, size_t index, const char *field, char *text,
                                   size_t size)
{
    return embedding ? options_info(&embedding->options, index, field, text, size) : api_null("embedding");
}

ne_status ne_embedding_set_progress(ne_embedding *embedding, ne_progress_fn report, void *user)
{
    const ne_status st = check_free(embedding);
    if (st == NE_OK) embedding->progress = (progress){report, user};
    return st;
}

ne_status ne_estimate_memory(const ne_embedding *embedding, size_t n, size_t d, int32_t dtype, size_t *bytes)
{
    if (!embedding || !bytes) return api_null(!embedding ? "embedding" : "bytes");
    if (dtype != NE_F32 && dtype != NE_F64)
        return ne_fail(NE_INVALID_ARGUMENT, "dtype: %d, f32 or f64 are taken", dtype);
    if (d < 1) return ne_fail(NE_INVALID_ARGUMENT, "d: 0 columns, at least 1 is needed");
    return embedding_estimate(embedding, n, d, dtype, NULL, bytes);
}

/* --- Fit --------------------------------------------------------------------------------------------------------- */

/* Of a graph, x or sparse rows, see embedding_start(). */
static ne_status start(ne_embedding *e, const ne_graph *graph, const ne_dense *x, const ne_csr *rows)
{
    ne_status st = check_free(e);
    if (st != NE_OK) return st;
    if (e->ops->fit) return ne_fail(NE_UNSUPPORTED, "%s: has no steps, use ne_embedding_fit()", e->ops->name);
    e->busy = 1;
    st      = embedding_start(e, graph, x, rows);
    e->busy = 0;
    return st;
}

ne_status ne_embedding_start(ne_embedding *embedding, const ne_graph *graph, const ne_dense *x)
{
    return start(embedding, graph, x, NULL);
}

ne_status ne_embedding_step(ne_embedding *embedding, size_t k)
{
    ne_status st = check_free(embedding);
    if (st != NE_OK) return st;
    if (!embedding->fit) return ne_fail(NE_NOT_FITTED, "%s: nothing has been started", embedding->ops->name);
    embedding->busy = 1;
    st              = embedding_step(embedding, k);
    embedding->busy = 0;
    return st;
}

ne_status ne_embedding_read(const ne_embedding *embedding, const ne_dense *y)
{
    return embedding ? embedding_read(embedding, y) : api_null("embedding");
}

/* A type without steps: its state is made aside and replaces the old one when the fit is done. Of one of x and rows. */
static ne_status fit_model(ne_embedding *e, const ne_dense *x, const ne_csr *rows, const ne_dense *y)
{
    ne_context *context = e->context;
    void       *model;
    ne_status   st;
    if (!rows && (st = view_check_finite(x, "x")) != NE_OK) return st;
    model = memory_zero(&context->memory, 1, e->ops->state_size);
    if (!model) return NE_OUT_OF_MEMORY;
    e->busy            = 1;
    context->reporting = &e->progress;
    st                 = rows ? e->ops->fit_sparse(e->params.method, context, model, rows, y)
                              : e->ops->fit(e->params.method, context, model, x, y);
    context->reporting = NULL;
    e->busy            = 0;
    if (st == NE_OK) {
        if (e->model && e->ops->clear) e->ops->clear(context, e->model);
        memory_free(&context->memory, e->model);
        e->model = model;
    } else {
        if (e->ops->clear) e->ops->clear(context, model);
        memory_free(&context->memory, model);
    }
    return st;
}

ne_status api_fit(ne_embedding *e, const ne_graph *graph, const ne_dense *x, const ne_csr *rows, const ne_dense *y)
{
    size_t    n  = rows ? rows->rows : 0;
    ne_status st = check_free(e);
    if (st != NE_OK) return st;
    if ((st = view_check_output(y, "y")) != NE_OK) return st;
    if (x && (st = view_check(x, "x")) != NE_OK) return st;
    if (x) n = x->rows;
    else if (graph) n = graph->matrix.rows;
    if (e->ops->fit) {
        int64_t c = 0;
        if (!x && !rows) return ne_fail(NE_UNSUPPORTED, "%s: cannot be fitted to a graph", e->ops->name);
        if (rows && !e->ops->fit_sparse) return ne_fail(NE_UNSUPPORTED, "%s: takes dense rows only", e->ops->name);
        if ((st = options_get_int(&e->options, "n_components", &c)) != NE_OK) return st;
        if ((st = view_check_shape(y, "y", n, (size_t)c)) != NE_OK) return st;
        return fit_model(e, x, rows, y);
    }
    if (n && (st = view_check_shape(y, "y", n, (size_t)e->base.n_components)) != NE_OK) return st;
    if ((st = start(e, graph, x, rows)) != NE_OK) return st;
    st = ne_embedding_step(e, (size_t)e->base.max_iter);
    if (st == NE_OK || st == NE_CANCELLED) {
        const ne_status read = embedding_read(e, y);
        if (read != NE_OK) st = read;
    }
    return st;
}

ne_status ne_embedding_fit(ne_embedding *embedding, const ne_dense *x, const ne_dense *y)
{
    return x ? api_fit(embedding, NULL, x, NULL, y) : api_null("x");
}

ne_status ne_embedding_fit_f32(ne_embedding *embedding, const float *x, size_t n, size_t d, float *y)
{
    int64_t c = 0;
    if (!embedding || !x || !y) return api_null(!embedding ? "embedding" : !x ? "x" : "y");
    const ne_status st = options_get_int(&embedding->options, "n_components", &c);
    if (st != NE_OK) return st;
    const ne_dense from = view_of_f32(x, n, d), to = view_of_f32(y, n, (size_t)c);
    return api_fit(embedding, NULL, &from, NULL, &to);
}

ne_status ne_embedding_fit_graph(ne_embedding *embedding, const ne_graph *graph, const ne_dense *x, const ne_dense *y)
{
    return graph ? api_fit(embedding, graph, x, NULL, y) : api_null("graph");
}

/* --- New rows ---------------------------------------------------------------------------------------------------- */

ne_status ne_embedding_transform(const ne_embedding *e, const ne_dense *x, const ne_dense *y)
{
    ne_status st;
    if (!e) return api_null("embedding");
    if (!e->ops->fit) {
        if ((st = view_check(x, "x")) != NE_OK || (st = view_check_finite_f32(x, "x")) != NE_OK) return st;
        return (st = view_check_output(y, "y")) == NE_OK ? embedding_transform(e, x, y) : st;
    }
    if (!e->ops->transform)
        return ne_fail(NE_UNSUPPORTED, "%s: has no map for new rows; fit them together with the old ones",
                       e->ops->name);
    if (!e->model) return ne_fail(NE_NOT_FITTED, "%s: nothing has been fitted", e->ops->name);
    if ((st = view_check(x, "x")) != NE_OK || (st = view_check_finite(x, "x")) != NE_OK) return st;
    if ((st = view_check_output(y, "y")) != NE_OK) return st;
    return e->ops->transform(e->params.method, e->context, e->model, x, y);
}

ne_status ne_embedding_inverse_transform(const ne_embedding *e, const ne_dense *y, const ne_dense *x)
{
    ne_status st;
    if (!e) return api_null("embedding");
    if (!e->ops->inverse_transform) return ne_fail(NE_UNSUPPORTED, "%s: has no map back to the data", e->ops->name);
    if (!e->model) return ne_fail(NE_NOT_FITTED, "%s: nothing has been fitted", e->ops->name);
    if ((st = view_check(y, "y")) != NE_OK || (st = view_check_finite(y, "y")) != NE_OK) return st;
    if ((st = view_check_output(x, "x")) != NE_OK) return st;
    return e->ops->inverse_transform(e->params.method, e->context, e->model, y, x);
}

/* The hook itself leaves the state alone on an error; one without a fit before it is dropped. */
ne_status ne_embedding_partial_fit(ne_embedding *e, const ne_dense *x)
{
    ne_status st = check_free(e);
    if (st != NE_OK) return st;
    if (!e->ops->partial_fit)
        return ne_fail(NE_UNSUPPORTED, "%s: has to see all rows at once, use ne_embedding_fit()", e->ops->name);
    if ((st = view_check(x, "x")) != NE_OK || (st = view_check_finite(x, "x")) != NE_OK) return st;
    ne_context *context = e->context;
    void       *model   = e->model ? e->model : memory_zero(&context->memory, 1, e->ops->state_size);
    if (!model) return NE_OUT_OF_MEMORY;
    st = e->ops->partial_fit(e->params.method, context, model, x);
    if (st == NE_OK) {
        e->model = model;
    } else if (!e->model) {
        if (e->ops->clear) e->ops->clear(context, model);
        memory_free(&context->memory, model);
    }
    return st;
}

/* --- Check --- */

ne_status ne_gradient_check(ne_embedding *e, const ne_dense *y, ne_gradient_report *report)
{
    double            *at   = NULL;
    ne_gradient_report full = {.struct_size = sizeof full};
    ne_status          st   = check_free(e);
    if (st != NE_OK) return st;
    if (!report) return api_null("report");
    if (report->struct_size < offsetof(ne_gradient_report, loss))
        return ne_fail(NE_INVALID_ARGUMENT, "report: struct_size is %zu, sizeof(ne_gradient_report) is needed",
                       report->struct_size);
    if (!e->fit) return ne_fail(NE_NOT_FITTED, "%s: nothing has been started", e->ops->name);
    if (y) {
        if ((st = view_check(y, "y")) != NE_OK || (st = view_check_shape(y, "y", e->fit->n, e->fit->c)) != NE_OK ||
            (st = view_check_finite_f32(y, "y")) != NE_OK)
            return st;
        at = memory_new(&e->context->memory, y->rows * y->cols, sizeof *at);
        if (!at) return NE_OUT_OF_MEMORY;
        for (size_t i = 0; i < y->rows; i++)
            for (size_t k = 0; k < y->cols; k++) at[i * y->cols + k] = view_get(y, i, k);
    }
    e->busy = 1;
    st      = embedding_check_gradient(e, at, &full);
    e->busy = 0;
    memory_free(&e->context->memory, at);
    if (st == NE_OK) {
        const size_t size = report->struct_size < sizeof full ? report->struct_size : sizeof full;
        full.struct_size  = report->struct_size;
        memcpy(report, &full, size);
    }
    return st;
}

/* --- Experimental ------------------------------------------------------------------------------------------------ */

ne_status ne_embedding_gradient(const ne_embedding *embedding, const double *y, double *gradient, double *loss)
{
    if (!embedding || !y) return api_null(embedding ? "y" : "embedding");
    return embedding_gradient(embedding, y, gradient, loss);
}

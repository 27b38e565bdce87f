/* api/types.c: the registry's public door, and the built-in types that come through it. */
#include "affinity/input.h"
#include "api/api.h"
#include "base/registry.h"
#include "cpu/metric.h"
#include "methods/methods.h"

#include <pthread.h>
#include <string.h>

ne_status api_null(const char *what)
{
    return ne_fail(NE_INVALID_ARGUMENT, "%s: a null pointer", what);
}

/* Tables only grow, so one that is longer than ours is read up to what we know. There is no shorter one yet. */
static ne_status check_size(const char *what, size_t have, size_t need)
{
    return have >= need
               ? NE_OK
               : ne_fail(NE_INVALID_ARGUMENT, "%s: struct_size is %zu, this library needs %zu", what, have, need);
}

static ne_status add_method(const ne_method_ops *ops)
{
    ne_status st = check_size("method", ops->struct_size, sizeof *ops);
    if (st == NE_OK)
        st = options_check_table(ops->name ? ops->name : "method", ops->options, ops->option_count, ops->option_size);
    if (st == NE_OK && !ops->fit && !ops->affinity_in && !ops->whole_loss && !ops->attractive_gradient)
        st = ne_fail(NE_INVALID_ARGUMENT, "method '%s': neither an input affinity nor hooks for gradient or fit",
                     ops->name ? ops->name : "");
    return st == NE_OK ? registry_add(REGISTRY_METHOD, ops) : st;
}

static ne_status add_affinity(const ne_affinity_ops *ops)
{
    ne_status st = check_size("affinity", ops->struct_size, sizeof *ops);
    if (st == NE_OK)
        st = options_check_table(ops->name ? ops->name : "affinity", ops->options, ops->option_count, ops->option_size);
    if (st == NE_OK && !ops->kernel && !ops->pair_kernel && !ops->rows && !ops->matrix &&
        !((ops->weights || ops->compute) && ops->neighbors))
        st = ne_fail(NE_INVALID_ARGUMENT, "affinity '%s': neither a kernel, nor rows, nor weights with neighbors",
                     ops->name ? ops->name : "");
    return st == NE_OK ? registry_add(REGISTRY_AFFINITY, ops) : st;
}

static ne_status add_metric(const ne_metric_ops *ops)
{
    ne_status st = check_size("metric", ops->struct_size, sizeof *ops);
    if (st == NE_OK && !ops->distance_f32)
        st = ne_fail(NE_INVALID_ARGUMENT, "metric '%s': distance_f32 is a null pointer", ops->name ? ops->name : "");
    return st == NE_OK ? registry_add(REGISTRY_METRIC, ops) : st;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static ne_status      builtin_status;

static void register_builtin(void)
{
    static const ne_affinity_ops *const affinities[] = {
        &affinity_entropic,
        &affinity_student,
        &affinity_gaussian,
        &affinity_umap,
        &affinity_pacmap,
        &affinity_symmetric_entropic,
        &affinity_sinkhorn,
        &affinity_doubly_stochastic_quadratic,
        &affinity_normalized_gaussian,
        &affinity_normalized_student,
        &affinity_self_tuning,
        &affinity_magic,
        &affinity_phate,
        &affinity_precomputed,
        &affinity_umap_kernel,
        &affinity_largevis,
        &affinity_hyperbolic,
        &affinity_scalar_product,
    };
    static const ne_method_ops *const methods[] = {&method_tsne,
                                                   &method_pca,
                                                   &method_infotsne,
                                                   &method_largevis,
                                                   &method_umap,
                                                   &method_pacmap,
                                                   &method_localmap,
                                                   &method_trimap,
                                                   &method_sne,
                                                   &method_cosne,
                                                   &method_tsnekhorn,
                                                   &method_affinity_matcher,
                                                   &method_incremental_pca,
                                                   &method_kernel_pca,
                                                   &method_phate};
    ne_status                         st        = NE_OK;
    for (size_t i = 0; st == NE_OK && metric_builtin(i); i++) st = add_metric(metric_builtin(i));
    for (size_t i = 0; st == NE_OK && i < sizeof affinities / sizeof *affinities; i++) st = add_affinity(affinities[i]);
    for (size_t i = 0; st == NE_OK && i < sizeof methods / sizeof *methods; i++) st = add_method(methods[i]);
    builtin_status = st;
}

ne_status api_register_builtin(void)
{
    pthread_once(&once, register_builtin);
    return builtin_status;
}

ne_status ne_method_register(const ne_method_ops *ops)
{
    ne_status st = ops ? api_register_builtin() : api_null("ops");
    return st == NE_OK ? add_method(ops) : st;
}

ne_status ne_affinity_register(const ne_affinity_ops *ops)
{
    ne_status st = ops ? api_register_builtin() : api_null("ops");
    return st == NE_OK ? add_affinity(ops) : st;
}

ne_status ne_metric_register(const ne_metric_ops *ops)
{
    ne_status st = ops ? api_register_builtin() : api_null("ops");
    return st == NE_OK ? add_metric(ops) : st;
}

/* All three tables begin with struct_size, name, help: see registry.h. */
static const ne_metric_ops *type_at(const char *kind, size_t index)
{
    static const char *const names[REGISTRY_KINDS] = {"method", "affinity", "metric"};
    const void              *ops                   = NULL;
    if (kind && api_register_builtin() == NE_OK)
        for (int k = 0; k < REGISTRY_KINDS; k++)
            if (strcmp(kind, names[k]) == 0) ops = registry_at((registry_kind)k, index);
    return ops;
}

const char *ne_type_name(const char *kind, size_t index)
{
    const ne_metric_ops *ops = type_at(kind, index);
    return ops ? ops->name : NULL;
}

const char *ne_type_help(const char *kind, size_t index)
{
    const ne_metric_ops *ops = type_at(kind, index);
    return ops ? ops->help : NULL;
}

/* embedding/create.c: an embedding object from its registered type. */
#include "base/registry.h"
#include "embedding/embedding.h"

#include <string.h>

/* The metric that an input affinity needs is the default of option "metric". */
static void take_metric(ne_embedding *e)
{
    const char *metric = e->input ? e->input->metric : NULL;
    e->options.part    = (ne_preset){metric ? "metric" : NULL, metric, metric};
}

/* The options of an affinity that the type names, with a parameter block for them. */
static ne_status add_affinity(ne_embedding *e, const char *name, affinity_choice *choice)
{
    ne_status st = NE_OK;
    if (name) {
        const ne_affinity_ops *ops = registry_find(REGISTRY_AFFINITY, name);
        if (!ops) return NE_UNKNOWN_NAME;
        *choice->ops    = ops;
        choice->block   = e->options.count;
        *choice->params = memory_zero(&e->context->memory, 1, ops->params_size);
        st              = !*choice->params ? NE_OUT_OF_MEMORY
                                           : options_add(&e->context->memory, &e->options, ops->name, ops->options,
                                                         ops->option_count, ops->option_size, *choice->params);
    }
    return st;
}

ne_status embedding_choose(ne_embedding *e, const char *option)
{
    const ne_allocator    *mem    = &e->context->memory;
    affinity_choice       *choice = strcmp(option, "affinity_in") == 0 ? &e->choose_input : &e->choose_output;
    char                   name[NE_NAME_SIZE];
    const ne_affinity_ops *ops;
    void                  *params;
    ne_status              st = options_get(&e->options, option, name, sizeof name);

    if (st != NE_OK) return st;
    ops = registry_find(REGISTRY_AFFINITY, name);
    if (!ops) return NE_UNKNOWN_NAME;
    if (ops == *choice->ops) return NE_OK;
    params = memory_zero(mem, 1, ops->params_size);
    if (!params) return NE_OUT_OF_MEMORY;
    const option_block block = {.owner    = ops->name,
                                .rows     = ops->options,
                                .count    = ops->option_count,
                                .row_size = ops->option_size,
                                .params   = params};
    st                       = options_replace(mem, &e->options, choice->block, &block);
    if (st != NE_OK) {
        memory_free(mem, params);
    } else {
        memory_free(mem, *choice->params);
        *choice->params = params;
        *choice->ops    = ops;
        take_metric(e);
        st = options_reset(&e->options);
    }
    return st;
}

ne_status embedding_new(ne_context *context, const ne_method_ops *ops, ne_embedding **embedding)
{
    const ne_allocator *mem  = &context->memory;
    ne_status           st   = NE_OK;
    ne_embedding       *made = memory_zero(mem, 1, sizeof *made);

    if (!made) return NE_OUT_OF_MEMORY;
    made->context = context;
    made->ops     = ops;
    context_hold(context);
    made->choose_input         = (affinity_choice){&made->input, &made->params.input, 0};
    made->choose_output        = (affinity_choice){&made->output, &made->params.output, 0};
    made->options.presets      = ops->presets;
    made->options.preset_count = ops->preset_count;
    made->params.method        = memory_zero(mem, 1, ops->params_size);
    if (!made->params.method) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if ((st = options_add(mem, &made->options, ops->name, ops->options, ops->option_count, ops->option_size,
                          made->params.method)) != NE_OK)
        goto done;
    if (!ops->fit) {
        if ((st = add_affinity(made, ops->affinity_in, &made->choose_input)) != NE_OK) goto done;
        if ((st = add_affinity(made, ops->affinity_out, &made->choose_output)) != NE_OK) goto done;
        if ((ops->affinity_in || ops->neighbors) &&
            (st = options_add(mem, &made->options, "k-NN", knn_options, knn_option_count, sizeof(ne_option),
                              &made->knn)) != NE_OK)
            goto done;
        if ((st = options_add(mem, &made->options, "neighbor embedding", base_options, base_option_count,
                              sizeof(ne_option), &made->base)) != NE_OK)
            goto done;
        made->options.names = &base_option_names;
    }
    take_metric(made);
    st = options_reset(&made->options);
done:
    if (st == NE_OK) *embedding = made;
    else embedding_free(made);
    return st;
}

void fit_free(ne_context *context, const ne_method_ops *ops, fit *old)
{
    const ne_allocator *mem = &context->memory;
    if (old) {
        if (old->state && ops->clear) ops->clear(context, state_method(old->state));
        if (old->repulse) context->backend->repulsion_free(context, old->repulse);
        context->backend->edges_free(context, old->edges);
        csr_clear(mem, &old->p);
        csr_clear(mem, &old->distances);
        memory_free(mem, old->dense);
        memory_free(mem, old->place);
        memory_free(mem, old->circle);
        memory_free(mem, old->circle_row);
        memory_free(mem, old->bandwidth);
        memory_free(mem, old->kept);
        memory_free(mem, old->attraction);
        memory_free(mem, old->repulsion);
        memory_free(mem, old->state);
        memory_free(mem, old);
    }
}

void embedding_free(ne_embedding *embedding)
{
    if (embedding) {
        ne_context         *context = embedding->context;
        const ne_allocator *mem     = &context->memory;
        fit_free(context, embedding->ops, embedding->fit);
        if (embedding->model && embedding->ops->clear) embedding->ops->clear(context, embedding->model);
        memory_free(mem, embedding->model);
        memory_free(mem, embedding->params.method);
        memory_free(mem, embedding->params.input);
        memory_free(mem, embedding->params.output);
        memory_free(mem, embedding->init);
        options_clear(mem, &embedding->options);
        memory_free(mem, embedding);
        context_release(context);
    }
}

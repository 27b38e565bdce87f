/* api/context.c: the context handle. */
#include "base/context.h"

#include "api/api.h"
#include "backend/backend.h"

static const ne_option context_options[] = {
    {.name   = "threads",
     .type   = NE_OPT_INT,
     .offset = offsetof(context_params, threads),
     .preset = "0",
     .min    = 0,
     .max    = 1024,
     .help   = "threads of a parallel region; 0: as many as OpenMP would use"},
    {.name    = "device",
     .type    = NE_OPT_CHOICE,
     .offset  = offsetof(context_params, device),
     .preset  = "auto",
     .choices = "auto|cpu",
     .help    = "where the work is done; this version has the CPU backend only"},
    {.name   = "stream_buffer",
     .type   = NE_OPT_INT,
     .offset = offsetof(context_params, stream_buffer),
     .preset = "536870912",
     .min    = 4096,
     .max    = 1e15,
     .unit   = "bytes",
     .help   = "of the rows of an NE_MAPPED x that are held at once; the more, the fewer passes over the file"},
};

ne_status ne_context_create_with(const ne_allocator *allocator, ne_context **context)
{
    ne_status   st;
    ne_context *made;

    if (!context) return api_null("context");
    if (allocator && (!allocator->allocate || !allocator->release)) return api_null("allocator");
    if ((st = api_register_builtin()) != NE_OK) return st;
    const ne_allocator *mem = allocator ? allocator : &memory_default;
    made                    = memory_zero(mem, 1, sizeof *made);
    if (!made) return NE_OUT_OF_MEMORY;
    made->memory  = *mem;
    made->backend = &backend_cpu;
    atomic_init(&made->holders, 1);
    if ((st = options_add(mem, &made->options, "context", context_options,
                          sizeof context_options / sizeof *context_options, sizeof(ne_option), &made->params)) !=
            NE_OK ||
        (st = options_reset(&made->options)) != NE_OK)
        context_release(made);
    else *context = made;
    return st;
}

ne_status ne_context_create(ne_context **context)
{
    return ne_context_create_with(NULL, context);
}

void ne_context_free(ne_context *context)
{
    context_release(context);
}

ne_status ne_context_set_log(ne_context *context, ne_log_fn log, void *user)
{
    if (!context) return api_null("context");
    context->log      = log;
    context->log_user = user;
    return NE_OK;
}

ne_status ne_context_set(ne_context *context, const char *name, const char *text)
{
    return context ? options_set(&context->options, name, text) : api_null("context");
}

ne_status ne_context_set_real(ne_context *context, const char *name, double value)
{
    return context ? options_set_real(&context->options, name, value) : api_null("context");
}

ne_status ne_context_set_int(ne_context *context, const char *name, int64_t value)
{
    return context ? options_set_int(&context->options, name, value) : api_null("context");
}

ne_status ne_context_get_int(const ne_context *context, const char *name, int64_t *value)
{
    return context && value ? options_get_int(&context->options, name, value) : api_null(context ? "value" : "context");
}

size_t ne_context_option_count(const ne_context *context)
{
    return context ? options_count(&context->options) : 0;
}

ne_status ne_context_option_info(const ne_context *context, size_t index, const char *field, char *text, size_t size)
{
    return context ? options_info(&context->options, index, field, text, size) : api_null("context");
}

void *ne_allocate(ne_context *context, size_t count, size_t size)
{
    if (!context) api_null("context");
    return context ? memory_zero(&context->memory, count, size) : NULL;
}

void ne_release(ne_context *context, void *block)
{
    if (context) memory_free(&context->memory, block);
}

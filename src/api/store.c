/* api/store.c: the handle of a store; see base/store.h. */
#include "base/store.h"

#include "api/api.h"
#include "base/view.h"

struct ne_store {
    ne_context *context;
    store       rows;
};

ne_status ne_store_create(ne_context *context, size_t d, const char *folder, ne_store **made)
{
    ne_store *mine;
    ne_status st;

    if (!context || !made) return api_null(context ? "store" : "context");
    if (d < 1 || d > INT32_MAX) return ne_fail(NE_OUT_OF_RANGE, "d: %zu is outside [1, 2147483647]", d);
    mine = memory_zero(&context->memory, 1, sizeof *mine);
    if (!mine) return NE_OUT_OF_MEMORY;
    st = store_open(&context->memory, d, folder, &mine->rows);
    if (st == NE_OK) {
        context_hold(context);
        mine->context = context;
        *made         = mine;
    } else {
        store_clear(&mine->rows);
        memory_free(&context->memory, mine);
    }
    return st;
}

void ne_store_free(ne_store *with)
{
    if (with) {
        ne_context *context = with->context;
        store_clear(&with->rows);
        memory_free(&context->memory, with);
        context_release(context);
    }
}

ne_status ne_store_append(ne_store *to, const ne_dense *rows)
{
    ne_status st;
    if (!to) return api_null("store");
    if ((st = view_check(rows, "rows")) != NE_OK) return st;
    if (rows->cols != to->rows.d)
        return ne_fail(NE_INVALID_ARGUMENT, "rows: %zu columns, the store has %zu", rows->cols, to->rows.d);
    return store_append(&to->rows, rows);
}

ne_status ne_store_read(ne_store *to, ne_reader_fn read, void *user)
{
    return to && read ? store_read(&to->rows, read, user) : api_null(to ? "read" : "store");
}

ne_status ne_store_view(ne_store *from, ne_dense *view)
{
    return from && view ? store_view(&from->rows, view) : api_null(from ? "view" : "store");
}

/* tests/test_memory.c: every allocation of a fit fails, alone (_i == 0) or with all later ones (_i == 1). */
#include "fault.h"

#include <ne.h>

#include <check.h>
#include <limits.h>

enum {
    N = 97,
    D = 3,
    C = 2
}; /* 97: prime, so no multiple of any block */

static float         x[N * D], want[N * C], got[N * C];
static fault         mem;
static ne_context   *ctx;
static ne_embedding *emb;

static void open_all(void)
{
    const ne_allocator allocator = {fault_allocate, fault_release, &mem};
    mem                          = (fault){.until = LONG_MAX};
    ck_assert_int_eq(ne_context_create_with(&allocator, &ctx), NE_OK);
    ck_assert_int_eq(ne_embedding_create(ctx, "tsne", &emb), NE_OK);
    ck_assert_int_eq(ne_embedding_set_int(emb, "max_iter", 20), NE_OK);
    ck_assert_int_eq(ne_embedding_set_int(emb, "early_exaggeration_iter", 10), NE_OK);
    for (size_t i = 0; i < N * D; i++) x[i] = (float)((i * 7919 + 13) % 1009) / 1009;
}

static void close_all(void)
{
    ne_embedding_free(emb);
    ne_context_free(ctx);
    ck_assert_int_eq(mem.live, 0);
}

static void fail_every_allocation(int sticky)
{
    ck_assert_int_eq(ne_embedding_fit_f32(emb, x, N, D, want), NE_OK);
    for (long k = 0, fired = 1; fired; k++) {
        const long before  = mem.live;
        mem.sticky         = sticky;
        mem.fired          = 0;
        mem.until          = k; /* k succeed, the next one fails */
        const ne_status st = ne_embedding_fit_f32(emb, x, N, D, got);
        mem.until          = LONG_MAX;
        mem.sticky         = 0;
        fired              = mem.fired;
        ck_assert_msg(st == (fired ? NE_OUT_OF_MEMORY : NE_OK), "allocation %ld: %s", k, ne_status_name(st));
        ck_assert_int_le(mem.live, before); /* nothing was lost on the way out */
        ck_assert_int_eq(ne_embedding_fit_f32(emb, x, N, D, got), NE_OK);
        ck_assert_mem_eq(got, want, sizeof want); /* and nothing was left half done */
    }
}

START_TEST(fit_survives_any_failed_allocation)
{
    static const char *const repulsion[] = {"exact", "barnes_hut", "fft"};
    ck_assert_int_eq(ne_embedding_set(emb, "repulsion", repulsion[_i % 3]), NE_OK);
    fail_every_allocation(_i / 3);
}
END_TEST

START_TEST(approximate_neighbors_survive_any_failed_allocation)
{
    ck_assert_int_eq(ne_embedding_set(emb, "knn", "approximate"), NE_OK);
    ck_assert_int_eq(ne_embedding_set(emb, "perplexity", "5"), NE_OK);
    fail_every_allocation(_i);
}
END_TEST

START_TEST(creation_survives_any_failed_allocation)
{
    for (long k = 0, fired = 1; fired; k++) {
        ne_context        *c         = NULL;
        ne_embedding      *e         = NULL;
        ne_graph          *g         = NULL;
        ne_affinity       *a         = NULL;
        fault              own       = {.until = k, .sticky = 1};
        const ne_allocator allocator = {fault_allocate, fault_release, &own};
        ne_status          st        = ne_context_create_with(&allocator, &c);
        if (st == NE_OK) st = ne_graph_create(c, &g);
        if (st == NE_OK) st = ne_affinity_create(c, "entropic", &a);
        if (st == NE_OK) st = ne_embedding_create(c, "tsne", &e);
        fired = own.fired;
        ck_assert_int_eq(st, fired ? NE_OUT_OF_MEMORY : NE_OK);
        ne_embedding_free(e);
        ne_context_free(c); /* before the handles that hold it */
        ne_affinity_free(a);
        ne_graph_free(g);
        ck_assert_int_eq(own.live, 0);
    }
}
END_TEST

START_TEST(graphs_and_affinities_survive_any_failed_allocation)
{
    const ne_dense view = {sizeof view, x, N, D, D, NE_F32, NE_HOST};
    for (long k = 0, fired = 1; fired; k++) {
        ne_graph    *g = NULL, *p = NULL;
        ne_affinity *a      = NULL;
        const long   before = mem.live;
        double       kl     = 0;
        mem.fired           = 0;
        mem.until           = k;
        ne_status st        = ne_graph_create(ctx, &g);
        if (st == NE_OK) st = ne_graph_build(g, &view);
        if (st == NE_OK) st = ne_affinity_create(ctx, "entropic", &a);
        if (st == NE_OK) st = ne_affinity_set(a, "perplexity", "5");
        if (st == NE_OK) st = ne_affinity_compute_graph(a, g, &p);
        if (st == NE_OK) st = ne_score_kl(ctx, p, &(ne_dense){sizeof view, x, N, 2, D, NE_F32, NE_HOST}, 1, &kl);
        if (st == NE_OK) st = ne_score_trustworthiness(ctx, &view, &view, 5, &kl);
        mem.until = LONG_MAX;
        fired     = mem.fired;
        ck_assert_msg(st == (fired ? NE_OUT_OF_MEMORY : NE_OK), "allocation %ld: %s, %s", k, ne_status_name(st),
                      ne_last_error());
        ne_graph_free(g);
        ne_graph_free(p);
        ne_affinity_free(a);
        ck_assert_int_eq(mem.live, before);
    }
}
END_TEST

Suite *memory_suite(void);

Suite *memory_suite(void)
{
    Suite *s = suite_create("memory");
    TCase *t = tcase_create("memory");
    tcase_add_checked_fixture(t, open_all, close_all);
    tcase_add_loop_test(t, fit_survives_any_failed_allocation, 0, 6);
    tcase_add_loop_test(t, approximate_neighbors_survive_any_failed_allocation, 0, 2);
    tcase_add_test(t, creation_survives_any_failed_allocation);
    tcase_add_test(t, graphs_and_affinities_survive_any_failed_allocation);
    tcase_set_timeout(t, 600);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(memory_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

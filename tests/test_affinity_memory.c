/* tests/test_affinity_memory.c: an affinity that runs out of memory says so, frees what it has, and can be used again. */
#include "data.h"
#include "fault.h"

#include <ne.h>

#include <check.h>
#include <limits.h>
#include <string.h>

static const char *const names[] = {"entropic",
                                    "umap",
                                    "pacmap",
                                    "student",
                                    "symmetric_entropic",
                                    "sinkhorn",
                                    "doubly_stochastic_quadratic",
                                    "normalized_student",
                                    "self_tuning",
                                    "magic",
                                    "phate",
                                    "scalar_product"};

START_TEST(every_failed_allocation_is_an_answer_and_leaks_nothing)
{
    enum {
        FEW = 40,
        D   = 6
    };
    fault              f         = {LONG_MAX, 0, 0, 0};
    const ne_allocator allocator = {fault_allocate, fault_release, &f};
    static float       x[FEW * D], p[FEW * FEW];
    const ne_dense     v = {sizeof v, x, FEW, D, D, NE_F32, NE_HOST}, y = {sizeof y, p, FEW, FEW, FEW, NE_F32, NE_HOST};
    ne_context        *own;
    ne_affinity       *a;
    long               until = 0;
    ne_status          st    = NE_OUT_OF_MEMORY;
    data_clusters(x, FEW, D, 3, 2, 6);
    ck_assert_int_eq(ne_context_create_with(&allocator, &own), NE_OK);
    ck_assert_int_eq(ne_affinity_create(own, names[_i], &a), NE_OK);
    const long live = f.live;
    for (; st != NE_OK; until++) {
        ne_graph *graph = NULL;
        f.until         = until;
        f.fired         = 0;
        st              = strcmp(names[_i], "pacmap") == 0 ? NE_OK : ne_affinity_compute_dense(a, &v, &y);
        if (st == NE_OK && strcmp(names[_i], "phate") != 0 && strcmp(names[_i], "scalar_product") != 0)
            st = ne_affinity_compute(a, &v, &graph);
        ck_assert_msg(st == (f.fired ? NE_OUT_OF_MEMORY : NE_OK), "%s: %s", names[_i], ne_last_error());
        f.until = LONG_MAX;
        ne_graph_free(graph);
    }
    ck_assert_int_gt(until, 5);
    ck_assert_int_le(f.live, live + 2); /* the results of the last computation */
    ne_affinity_free(a);
    ne_context_free(own);
    ck_assert_int_eq(f.live, 0);
}
END_TEST

Suite *affinity_memory_suite(void);

Suite *affinity_memory_suite(void)
{
    Suite *s = suite_create("affinity_memory");
    TCase *t = tcase_create("affinity_memory");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_failed_allocation_is_an_answer_and_leaks_nothing, 0, sizeof names / sizeof *names);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(affinity_memory_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

/* tests/test_oracle.c: against numbers that TorchDR itself gave: oracle/tsne_torchdr.py wrote oracle/tsne_torchdr.h. */
#include "oracle/tsne_torchdr.h"

#include <ne.h>

#include <check.h>
#include <math.h>

#define OK(call) ck_assert_msg((call) == NE_OK, "%s: %s", #call, ne_last_error())

static ne_context *ctx;

static void open_all(void)
{
    OK(ne_context_create(&ctx));
}

static void close_all(void)
{
    ne_context_free(ctx);
}

static ne_dense view(const void *data, size_t cols, int32_t type)
{
    const ne_dense v = {sizeof v, (void *)(uintptr_t)data, ORACLE_N, cols, cols, type, NE_HOST};
    return v;
}

START_TEST(the_affinity_is_that_of_torchdr)
{
    const ne_dense x = view(oracle_x, ORACLE_D, NE_F64);
    ne_affinity   *a = NULL;
    ne_graph      *g = NULL;
    ne_csr         p;
    OK(ne_affinity_create(ctx, "entropic", &a));
    OK(ne_affinity_set(a, "reference", "torchdr"));
    OK(ne_affinity_set(a, "sparsity", "false"));
    OK(ne_affinity_set_int(a, "perplexity", ORACLE_PERPLEXITY));
    OK(ne_affinity_compute(a, &x, &g));
    OK(ne_graph_csr(g, &p));
    for (size_t i = 0; i < 8; i++)
        for (int64_t e = p.start[i]; e < p.start[i + 1]; e++) {
            const double want = oracle_p_dense[i * ORACLE_N + (size_t)p.col[e]];
            /* float distances: 1e-7 of the distance, times up to 20 bandwidths; the search of the model stops at 1e-6 */
            if (want > 1e-8 / ORACLE_N) ck_assert_double_eq_tol((double)((const float *)p.val)[e], want, 2e-5 * want);
        }
    ne_graph_free(g);
    ne_affinity_free(a);
}
END_TEST

START_TEST(the_steps_are_those_of_torchdr)
{
    static const struct {
        int           steps;
        const double *z;
    } want[]                             = {{3, oracle_z_3}, {8, oracle_z_8}, {15, oracle_z_15}};
    static const char *const repulsion[] = {"exact", "barnes_hut", "fft"};
    const ne_dense           x = view(oracle_x, ORACLE_D, NE_F64), init = view(oracle_init, 2, NE_F64);
    double                   z[ORACLE_N * 2], largest                   = 0;
    const ne_dense           to = view(z, 2, NE_F64);
    ne_embedding            *e  = NULL;
    OK(ne_embedding_create(ctx, "tsne", &e));
    OK(ne_embedding_set(e, "reference", "torchdr"));
    OK(ne_embedding_set(e, "repulsion", repulsion[_i / 3]));
    OK(ne_embedding_set(e, "repulsion_accuracy", "0.001"));
    OK(ne_embedding_set_int(e, "perplexity", ORACLE_PERPLEXITY));
    OK(ne_embedding_set_int(e, "early_exaggeration_iter", ORACLE_EARLY));
    OK(ne_embedding_set_int(e, "max_iter", want[_i % 3].steps));
    OK(ne_embedding_set_array(e, "init", &init));
    OK(ne_embedding_fit(e, &x, &to));
    for (int i = 0; i < ORACLE_N * 2; i++) largest = fmax(largest, fabs(want[_i % 3].z[i]));
    for (int i = 0; i < ORACLE_N * 2; i++)
        ck_assert_double_eq_tol(z[i], want[_i % 3].z[i], (_i < 3 ? 1e-3 : 5e-3) * largest);
    ne_embedding_free(e);
}
END_TEST

Suite *oracle_suite(void);

Suite *oracle_suite(void)
{
    Suite *s = suite_create("oracle");
    TCase *t = tcase_create("oracle");
    tcase_add_checked_fixture(t, open_all, close_all);
    tcase_add_test(t, the_affinity_is_that_of_torchdr);
    tcase_add_loop_test(t, the_steps_are_those_of_torchdr, 0, 9);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(oracle_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

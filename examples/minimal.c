/* minimal: three clouds of points in 10 dimensions, embedded in the plane; prints "x,y" for each point. */
#include <ne.h>
#include <stdio.h>

enum {
    N = 600,
    D = 10
};

static float x[N * D], y[N * 2];

int main(void)
{
    ne_context   *context   = NULL;
    ne_embedding *embedding = NULL;
    ne_status     status;

    unsigned random = 1;
    for (size_t i = 0; i < N * D; i++) {
        random = random * 1664525u + 1013904223u;
        x[i]   = (float)(random >> 8) / 0x1p24f + (float)(i / D % 3); /* row i belongs to cloud i % 3 */
    }

    status = ne_context_create(&context);
    if (status == NE_OK) status = ne_embedding_create(context, "tsne", &embedding);
    if (status == NE_OK) status = ne_embedding_set_real(embedding, "perplexity", 20);
    if (status == NE_OK) status = ne_embedding_fit_f32(embedding, x, N, D, y);

    if (status == NE_OK)
        for (size_t i = 0; i < N; i++) printf("%g,%g\n", (double)y[2 * i], (double)y[2 * i + 1]);
    else fprintf(stderr, "minimal: %s\n", ne_last_error()); /* names the option, the value and the rule */

    ne_embedding_free(embedding);
    ne_context_free(context);
    return status != NE_OK;
}

/* bench/stream.c: t-SNE of a file of floats that is mapped, beside the same from memory.
 *
 *     stream make FILE ROWS COLUMNS            rows in clusters of 50 dimensions, with noise in all columns
 *     stream mapped|host FILE ROWS COLUMNS [STEPS [BUFFER [THREADS]]]
 *
 * Prints the seconds of each phase, the recall of the neighbor search, and a hash of the layout's bits. bench/stream.sh
 * runs it under a limit of memory. */
#include "ne.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    LATENT   = 50,
    CLUSTERS = 40,
    BLOCK    = 256 /* rows made at a time */
};

static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* About normal: a sum of four uniform numbers. */
static float noise(uint64_t stream, uint64_t at)
{
    const uint64_t word = mix(mix(stream) + at);
    int32_t        sum  = 0;
    for (int b = 0; b < 4; b++) sum += (int32_t)(word >> (16 * b) & 0xFFFF) - 0x8000;
    return (float)sum * (float)(1.732 / 0x10000);
}

static void make_row(size_t row, size_t d, const float *direction, float *to)
{
    const uint64_t cluster = mix(row) % CLUSTERS;
    for (size_t j = 0; j < d; j++) to[j] = 0.3f * noise(3, row * d + j);
    for (size_t l = 0; l < LATENT; l++) {
        const float  score = 3 * noise(1, cluster * LATENT + l) + noise(2, row * LATENT + l);
        const float *along = direction + l * d;
        for (size_t j = 0; j < d; j++) to[j] += score * along[j];
    }
}

static int make(const char *path, size_t n, size_t d)
{
    float *block = malloc(BLOCK * d * sizeof *block), *direction = malloc(LATENT * d * sizeof *direction);
    int    file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600), failed = file < 0 || !block || !direction;
    for (size_t e = 0; e < LATENT * d && !failed; e++) direction[e] = noise(0, e) / sqrtf(LATENT);
    for (size_t i0 = 0; i0 < n && !failed; i0 += BLOCK) {
        const size_t count = n - i0 < BLOCK ? n - i0 : BLOCK, bytes = count * d * sizeof *block;
#pragma omp parallel for schedule(dynamic, 1)
        for (size_t i = 0; i < count; i++) make_row(i0 + i, d, direction, block + i * d);
        failed = write(file, block, bytes) != (ssize_t)bytes;
        if (i0 / BLOCK % 16 == 15 && !failed) failed = fdatasync(file) != 0; /* the disk, not the memory */
    }
    if (!failed) failed = fsync(file) != 0 || posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) != 0;
    if (failed) perror(path);
    if (file >= 0) close(file);
    free(block);
    free(direction);
    return failed;
}

static void say(void *user, int level, const char *text)
{
    (void)user;
    (void)level;
    printf("  %s\n", text);
    fflush(stdout);
}

static double number(const ne_embedding *of, const char *name)
{
    double value = NAN;
    (void)ne_embedding_get_real(of, name, &value);
    return value;
}

static int run(int mapped, const char *path, size_t n, size_t d, int64_t steps, int64_t buffer, int64_t threads)
{
    const size_t  bytes   = n * d * sizeof(float);
    const int     file    = open(path, O_RDONLY);
    ne_context   *context = NULL;
    ne_embedding *tsne    = NULL;
    float        *y       = malloc(n * 2 * sizeof *y);
    ne_dense      x       = {sizeof x, NULL, n, d, d, NE_F32, mapped ? NE_MAPPED : NE_HOST};
    ne_dense      to      = {sizeof to, y, n, 2, 2, NE_F32, NE_HOST};
    uint64_t      hash    = 0;
    ne_status     st;

    x.data = file < 0 ? MAP_FAILED : mmap(NULL, bytes, PROT_READ, mapped ? MAP_SHARED : MAP_PRIVATE, file, 0);
    if (x.data == MAP_FAILED || !y) {
        perror(path);
        return 1;
    }
    st = ne_context_create(&context);
    if (st == NE_OK) st = ne_context_set_log(context, say, NULL);
    if (st == NE_OK && buffer > 0) st = ne_context_set_int(context, "stream_buffer", buffer);
    if (st == NE_OK) st = ne_context_set_int(context, "threads", threads);
    if (st == NE_OK) st = ne_embedding_create(context, "tsne", &tsne);
    if (st == NE_OK) st = ne_embedding_set_int(tsne, "random_state", 0);
    if (st == NE_OK) st = ne_embedding_set_int(tsne, "max_iter", steps);
    if (st == NE_OK) st = ne_embedding_fit(tsne, &x, &to);
    if (st == NE_OK) {
        for (size_t e = 0; e < 2 * n; e++) {
            uint32_t bits;
            memcpy(&bits, y + e, sizeof bits);
            hash = mix(hash ^ bits);
        }
        printf("knn %.1f s, affinity %.1f, init %.1f, optimize %.1f; recall %.4f; bits %016llx\n",
               number(tsne, "seconds_knn"), number(tsne, "seconds_affinity"), number(tsne, "seconds_init"),
               number(tsne, "seconds_optimize"), number(tsne, "recall_measured"), (unsigned long long)hash);
    } else {
        fprintf(stderr, "%s: %s\n", ne_status_name(st), ne_last_error());
    }
    ne_embedding_free(tsne);
    ne_context_free(context);
    munmap(x.data, bytes);
    close(file);
    free(y);
    return st != NE_OK;
}

static int64_t argument(int argc, char **argv, int place, int64_t otherwise)
{
    return argc > place ? strtoll(argv[place], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    const int64_t n = argument(argc, argv, 3, 0), d = argument(argc, argv, 4, 0);
    if (n < 1 || d < 1) {
        fprintf(stderr, "usage: stream make|mapped|host FILE ROWS COLUMNS [STEPS [BUFFER [THREADS]]]\n");
        return 2;
    }
    if (strcmp(argv[1], "make") == 0) return make(argv[2], (size_t)n, (size_t)d);
    return run(strcmp(argv[1], "mapped") == 0, argv[2], (size_t)n, (size_t)d, argument(argc, argv, 5, 500),
               argument(argc, argv, 6, 0), argument(argc, argv, 7, 0));
}

/* base/clones.h: one source, several instruction sets.
 *
 * NE_CLONES on a leaf function builds it for baseline x86-64, AVX2 with FMA, and AVX-512, chosen at load time.
 * Put it on the innermost function, never on one with a parallel region, and give the function a name that is unique in
 * the library (clang exports the resolver of even a static function). The thread sanitizer crashes in the resolver, so
 * the macro is empty there. */
#ifndef NE_BASE_CLONES_H
#define NE_BASE_CLONES_H

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NE_NO_CLONES 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || !defined(__x86_64__) || !defined(__gnu_linux__)
#define NE_NO_CLONES 1
#endif

/* x86-64-v3 is AVX2 with FMA and the rest of 2013, which a list of single features cannot say. Compilers that do not know
 * it as a clone build AVX with FMA: integers take half registers there. */
#ifdef NE_NO_CLONES
#define NE_CLONES
#elif defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define NE_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "avx512f")))
#else
#define NE_CLONES __attribute__((target_clones("default", "fma", "avx512f")))
#endif

#define NE_INLINE static inline __attribute__((always_inline))

#endif

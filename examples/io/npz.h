/* io/npz.h: NumPy's .npz, a zip archive of .npy members: an array of it, or the sparse matrix that scipy keeps in one. */
#ifndef IO_NPZ_H
#define IO_NPZ_H

#include "io/bytes.h"
#include "io/sparse.h"

/** Opens a file of whatever kind and reads its beginning, which every header fits in. Of an .npz the source is the member
 *  that "FILE.npz:NAME" names, or else its first array.
 *  errors   NE_IO: it is empty, no archive though a member is named, or has no such member; those of zip_open(). */
ne_status npz_open_array(const char *path, bytes_source *source);

/** The same, but of an .npz with scipy's sparse matrix and no NAME in the path the matrix is read: *is_sparse becomes 1, and
 *  the source is closed. keep: rows to read, the first ones; 0: all. */
ne_status npz_open(const char *path, size_t keep, bytes_source *source, sparse *matrix, int *is_sparse);

#endif

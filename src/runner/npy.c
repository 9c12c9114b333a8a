// SPDX-License-Identifier: Apache-2.0
// numpy's file format, versions 1 to 3 read, version 1 written.
#include "runner/npy.h"
#include "base/mem.h"

#include <stdio.h>

static const char magic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

bool npy_is(struct str bytes)
{
    return bytes.size > sizeof(magic) && memcmp(bytes.at, magic, sizeof(magic)) == 0;
}

// What follows `'key':` in the header, without leading space; empty when it is not there.
static struct str value_of(struct str header, const char *key)
{
    CLEAN_MEM char *quoted = mem_printf("'%s':", key);
    ptrdiff_t at = str_find_str(header, str_of(quoted));
    return at < 0 ? STR("") : str_trim(str_skip(header, (size_t)at + strlen(quoted)));
}

static int read_header(struct str bytes, struct str *ret_header, size_t *ret_start, struct err *err)
{
    const unsigned char *at = (const unsigned char *)bytes.at;
    size_t fixed = 10, size = 0;
    int version = bytes.size > 6 ? at[6] : 0;
    if (version < 1 || version > 3) {
        return err_set(err, ERR_UNSUPPORTED, "version %d of numpy's format", version);
    }
    fixed = version == 1 ? 10 : 12;
    if (bytes.size < fixed) {
        return err_set(err, ERR_INVALID, "the numpy header ends early");
    }
    size = (size_t)at[8] | (size_t)at[9] << 8;
    size |= version == 1 ? 0 : (size_t)at[10] << 16 | (size_t)at[11] << 24;
    if (size > bytes.size - fixed) {
        return err_set(err, ERR_INVALID, "the numpy header ends early");
    }
    *ret_header = str_n(bytes.at + fixed, size);
    *ret_start = fixed + size;
    return 0;
}

static int read_shape(struct str text, struct tensor *ret, struct err *err)
{
    ptrdiff_t end = str_find(text, ')');
    if (text.size == 0 || text.at[0] != '(' || end < 0) {
        return err_set(err, ERR_INVALID, "the numpy header has no shape");
    }
    struct str rest = str_n(text.at + 1, (size_t)end - 1);
    while (rest.at && str_trim(rest).size) {
        struct str part = str_trim(str_cut(&rest, ','));
        uint64_t dim = 0;
        if (ret->rank == TENSOR_RANK_MAX || !str_to_u64(part, &dim) || dim > TENSOR_SIZE_MAX) {
            return err_set(err, ERR_INVALID, "a bad shape, or more than %d dimensions",
                           TENSOR_RANK_MAX);
        }
        ret->dims[ret->rank++] = (int64_t)dim;
    }
    return 0;
}

static int read_type(struct str text, struct tensor *ret, struct err *err)
{
    // '<f4' with its quotes; '|' where order does not matter, '=' for the machine's own.
    if (text.size < 5 || (text.at[0] != '\'' && text.at[0] != '"')) {
        return err_set(err, ERR_INVALID, "the numpy header has no simple type");
    }
    char order = text.at[1];
    ret->type = tensor_type_of(str_n(text.at + 2, 2));
    if (!strchr("<|=", order) || text.at[4] != text.at[0] || ret->type == TENSOR_NONE) {
        return err_set(err, ERR_UNSUPPORTED, "numpy's type %.*s",
                       (int)(text.size < 8 ? text.size : 8), text.at);
    }
    return 0;
}

int npy_read(struct str bytes, struct tensor *ret, struct err *err)
{
    struct tensor tensor = {0};
    struct str header;
    size_t start = 0;
    TRY(read_header(bytes, &header, &start, err));
    if (str_starts(value_of(header, "fortran_order"), STR("True"))) {
        return err_set(err, ERR_UNSUPPORTED,
                       "an array in Fortran order; save "
                       "numpy.ascontiguousarray(x)");
    }
    TRY(read_type(value_of(header, "descr"), &tensor, err));
    TRY(read_shape(value_of(header, "shape"), &tensor, err));
    int64_t count = tensor_elements(tensor.dims, tensor.rank);
    size_t room = bytes.size - start;
    if (count < 0 || (size_t)count * tensor_type_size(tensor.type) != room) {
        return err_set(err, ERR_INVALID, "the array's %zu bytes do not fit its shape and type",
                       room);
    }
    tensor.data = (void *)(bytes.at + start);
    tensor.size = room;
    *ret = tensor;
    return 0;
}

int npy_write(const struct tensor *tensor, struct buf *out, struct err *err)
{
    const char *type = tensor_type_numpy(tensor->type);
    if (!type) {
        return err_set(err, ERR_UNSUPPORTED, "numpy has no type %s",
                       tensor_type_name(tensor->type));
    }
    char order = tensor_type_size(tensor->type) == 1 ? '|' : '<';
    CLEAN(buf_done) struct buf header = BUF_INIT(1024);
    buf_printf(&header, "{'descr': '%c%s', 'fortran_order': False, 'shape': (", order, type);
    for (size_t i = 0; i < tensor->rank; i++) {
        buf_printf(&header, "%lld%s", (long long)tensor->dims[i],
                   tensor->rank == 1 || i + 1 < tensor->rank ? ", " : "");
    }
    buf_add_text(&header, "), }");
    while ((10 + header.size + 1) % 64) { // the data is aligned
        buf_add_char(&header, ' ');
    }
    buf_add_char(&header, '\n');
    const char size[4] = {1, 0, (char)(header.size & 0xff), (char)(header.size >> 8)};
    buf_add(out, magic, sizeof(magic));
    buf_add(out, size, sizeof(size));
    buf_add_str(out, buf_str(&header));
    buf_add(out, tensor->data, tensor->size);
    return 0;
}

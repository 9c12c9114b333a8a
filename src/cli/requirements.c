// SPDX-License-Identifier: Apache-2.0
// Asks pip once for each set of requirements. A half-made folder is never seen: it gets its name last.
#include "cli/requirements.h"
#include "cli/spawn.h"
#include "cli/terminal.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/checksum.h"
#include "format/hex.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SIZE_MAX (1024 * 1024)
#define WORDS_MAX     64

// ---- what it is made of

static char *below(const struct serverless *service, const char *path)
{
    return path[0] == '/' ? mem_dup(path) : mem_printf("%s/%s", service->dir, path);
}

// The interpreter that the server would take for the first function in Python. Heap.
static int find_python(const struct serverless *service, const struct serverless_requirements *r,
                       char **ret, struct err *err)
{
    const char *runtime = "python3.12";
    struct runtime_program program;
    if (r->python) {
        *ret = strchr(r->python, '/') ? below(service, r->python) : mem_dup(r->python);
        return 0;
    }
    for (size_t i = service->function_count; i-- > 0;) {
        const char *own = service->functions[i].runtime;
        runtime = str_starts(str_of(own), STR("python")) ? own : runtime;
    }
    TRY(runtime_find(runtime, &program, err));
    *ret = mem_dup(program.argv[0]);
    runtime_program_done(&program);
    return 0;
}

// The files that it names in turn, with -r or -c, are part of it.
static void hash_file(struct checksum *sum, const char *path, struct str text)
{
    const char *slash = strrchr(path, '/');
    checksum_add(sum, text);
    for (struct str rest = text; rest.at;) {
        struct str line = str_trim(str_cut(&rest, '\n'));
        bool names = str_starts(line, STR("-r")) || str_starts(line, STR("-c")) ||
                     str_starts(line, STR("--requirement")) ||
                     str_starts(line, STR("--constraint"));
        ptrdiff_t at = str_find(line, ' ');
        if (names && at > 0) {
            struct str name = str_trim(str_skip(line, (size_t)at));
            CLEAN_MEM char *other = mem_printf("%.*s" STR_FMT, slash ? (int)(slash + 1 - path) : 0,
                                               path, STR_ARG(name));
            CLEAN(buf_done) struct buf content = BUF_INIT(FILE_SIZE_MAX);
            (void)!file_read(other, &content, NULL); // pip says what is wrong with it
            checksum_add(sum, buf_str(&content));
        }
    }
}

static void hash_words(struct checksum *sum, const char *python, const json_t *args)
{
    size_t i;
    json_t *arg;
    CLEAN_MEM char *real = realpath(python, NULL);
    checksum_add(sum, str_of(real ? real : python));
    json_array_foreach((json_t *)(uintptr_t)args, i, arg)
    {
        checksum_add(sum, STR("\n"));
        checksum_add(sum, str_of(json_string_value(arg)));
    }
    checksum_add(sum, STR("\n\n"));
}

static char *cache_dir(struct checksum *sum)
{
    uint8_t bytes[CHECKSUM_SIZE_MAX];
    char hex[65] = "";
    size_t size = checksum_end(sum, bytes);
    hex_write(bytes, size < 16 ? size : 16, hex);
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    return cache && cache[0]
               ? mem_printf("%s/rouse/requirements/%s", cache, hex)
               : mem_printf("%s/.cache/rouse/requirements/%s", home ? home : "/tmp", hex);
}

// ---- pip

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static int pip(const struct serverless *service, const struct serverless_requirements *r,
               const char *python, const char *file, const char *target, struct err *err)
{
    const char *words[WORDS_MAX] = {python,
                                    "-m",
                                    "pip",
                                    "install",
                                    "--quiet",
                                    "--no-compile",
                                    "--disable-pip-version-check",
                                    "--no-input",
                                    "--target",
                                    target,
                                    "--requirement",
                                    file};
    size_t count = 0;
    while (words[count]) {
        count++;
    }
    for (size_t i = 0; i < json_array_size(r->pip_args) && count + 1 < WORDS_MAX; i++) {
        words[count++] = json_string_value(json_array_get(r->pip_args, i));
    }
    setenv("PIP_ROOT_USER_ACTION", "ignore", 0); // whose the cache is does not matter here
    terminal_notice("%sInstalling %s with %s -m pip%s", terminal_on(DIM, true), r->file, python,
                    terminal_off(true));
    CLEAN_MEM char *name = mem_printf("custom.pythonRequirements: %s -m pip", python);
    return spawn_need((char *const *)(uintptr_t)words, service->dir, name, err);
}

static int make(const struct serverless *service, const struct serverless_requirements *r,
                const char *python, const char *file, const char *dir, struct err *err)
{
    CLEAN_MEM char *half = mem_printf("%s.%d", dir, (int)getpid());
    CLEAN_MEM char *target = mem_printf("%s/python", half);
    TRY(file_make_dir(target, 0755, err));
    int rc = pip(service, r, python, file, target, err);
    if (rc >= 0 && rename(half, dir) < 0 && errno != EEXIST && errno != ENOTEMPTY) {
        rc = err_errno(err, ERR_IO, errno, "%s", dir);
    }
    if (access(half, F_OK) == 0) { // it failed, or somebody else was quicker
        nftw(half, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
    return rc;
}

int requirements_install(const struct serverless *service,
                         const struct serverless_requirements *requirements, char **ret_dir,
                         struct err *err)
{
    CLEAN_MEM char *file = below(service, requirements->file);
    CLEAN_MEM char *real = realpath(file, NULL);
    CLEAN_MEM char *python = NULL;
    CLEAN(buf_done) struct buf text = BUF_INIT(FILE_SIZE_MAX);
    CLEAN(checksum_done) struct checksum sum = {0};
    if (!real) {
        return err_set(err, ERR_NOT_FOUND,
                       "custom.pythonRequirements: there is no file %s (fileName names another)",
                       file);
    }
    TRY(file_read(real, &text, err));
    TRY(find_python(service, requirements, &python, err));
    checksum_init(&sum, CHECKSUM_SHA256);
    hash_words(&sum, python, requirements->pip_args);
    hash_file(&sum, real, buf_str(&text));
    CLEAN_MEM char *dir = cache_dir(&sum);
    if (access(dir, F_OK) != 0) {
        TRY(make(service, requirements, python, real, dir, err));
    }
    *ret_dir = MOVE(dir);
    return 0;
}

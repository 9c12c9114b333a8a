// SPDX-License-Identifier: Apache-2.0
// Runs a fuzzer's entry point over every file of its corpus, so that what was once found stays
// found, with any compiler.
#include "base/mem.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat st;
    if (!file || fstat(fileno(file), &st) < 0) {
        perror(path);
        return 1;
    }
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size ? size : 1); // exact size, so that a sanitizer sees an overread
    if (!data || fread(data, 1, size, file) != size) {
        perror(path);
        return 1;
    }
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    fclose(file);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        return 2;
    }
    DIR *dir = opendir(argv[1]);
    if (!dir) {
        perror(argv[1]);
        return 1;
    }
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        CLEAN_MEM char *path = mem_printf("%s/%s", argv[1], entry->d_name);
        if (replay_file(path)) {
            return 1;
        }
        count++;
    }
    closedir(dir);
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}

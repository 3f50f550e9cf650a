/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limit.h"

#include <sys/resource.h>

void tp_raise_file_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

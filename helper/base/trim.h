/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that only the start of the program needed, given back. */
#ifndef TP_BASE_TRIM_H
#define TP_BASE_TRIM_H

/* For a process that is going to wait for a long time: lets go of the pages
 * of program and library code that are mapped at the moment (what is needed
 * again is read from the page cache), and of free heap. Harmless at any time; call it from
 * one thread. */
void tp_trim_memory(void);

#endif

/* A library like any other: it exports no entry. */
int no_symbol_of_interest(void);
int no_symbol_of_interest(void) {
    return 1;
}

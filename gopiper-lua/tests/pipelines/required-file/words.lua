return { first = 'first' }

-- Counts the words of standard input, with a component in C: docs/authors/c.md says how it is made.
local gopiper = require('gopiper')

gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('word_count_component.so', { seconds = 10 }),
  gopiper.loadComponent('stdout_component.so', {}),
})

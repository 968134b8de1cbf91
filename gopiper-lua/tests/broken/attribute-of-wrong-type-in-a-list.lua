local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('file_source_component.so', { paths = { 'Cargo.toml', 7 }, checkpoint = false }),
  gopiper.loadComponent('stdout_component.so', {}),
})

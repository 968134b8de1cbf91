-- Import the module
local gopiper = require('gopiper')
-- Insert desired components on compontents table
local components = {
gopiper.loadComponent('stdin_component.so', {}),
gopiper.loadComponent('stdout_component.so', {}),
}
-- Create the pipeline
gopiper.createPipeline(components)

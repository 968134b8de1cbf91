return function(message)
  message.atributes.kind = 'word'
end

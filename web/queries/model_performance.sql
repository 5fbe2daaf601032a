select * from insights.model_performance
where is_serving
order by model_name, metric, scale, split
